"""Chooses the model that runs a request: the one it names, or the task's default one.

The default is what ``TRIPTYCH_DEFAULT_MODELS`` says, or else what is recorded in the store (``Registry.announce``).
"""

from collections.abc import Callable, Mapping
from typing import TypeVar

from contracts.cards import ModelCard
from contracts.errors import InvalidRequest, Unavailable, UnknownModel
from services.gateway.monitoring.monitor import Monitor

T = TypeVar("T")


class ModelSelector:
    """Finds the cards of announced models. ``default_models`` maps tasks to names; it counts before the record."""

    def __init__(self, monitor: Monitor, default_models: Mapping[str, str]) -> None:
        self._monitor = monitor
        self._default_models = default_models

    def model_for(self, task: str, name: str | None) -> ModelCard:
        """Return the card of the model that a request of a task means. ``name`` is None if it names no model.

        Raises:
            UnknownModel: no model of this name is announced for this task.
            Unavailable: the request names none, and the default one is not announced, or none at all.
        """
        # In the hot path this is a look-up in a dictionary. Only what is not found costs a read, since a worker may
        # have announced it after the monitor's last one.
        card = self._known(task, name)
        if card is None:
            self._monitor.refresh_models()
            card = self._known(task, name)
        if card is not None:
            return card
        if name is not None:
            raise _unknown(task, name)
        raise self._no_default(task)

    def default_of(self, task: str) -> str | None:
        """Return the name of the model of requests that name none, announced or not; None if there is no model."""
        return self._default_models.get(task) or self._monitor.known.default_of(task)

    def choose(self, task: str, name: str | None, choose: Callable[[list[ModelCard]], T]) -> T:
        """Return what ``choose`` returns for the task's models, or for the one of this name.

        ``choose`` is called again if it raises, since a model may have been announced after the last read.

        Raises:
            InvalidRequest: from ``choose``.
            UnknownModel: no model of this name is announced for this task.
            Unavailable: no model at all is announced for it.
        """
        try:
            return choose(self._named(task, name))
        except (InvalidRequest, Unavailable):
            # A client that has seen a worker's announcement may rely on it before the monitor has read it.
            self._monitor.refresh_models()
        return choose(self._named(task, name))

    def models_of(self, task: str) -> list[ModelCard]:
        """Return the task's models: the default one first, then those that were known first."""
        default = self.default_of(task)
        return sorted(self._monitor.known.of_task(task), key=lambda card: card.name != default)

    def _known(self, task: str, name: str | None) -> ModelCard | None:
        # A default that is not announced is an error, and not replaced by another model: its answers would differ.
        card = self._monitor.models.get(name or self.default_of(task) or "")
        return card if card and card.task == task else None

    def _no_default(self, task: str) -> Unavailable:
        default = self.default_of(task)
        if default is None:
            return _no_model(task)
        change = "python -m services.gateway models default " + task + " MODEL"
        if task in self._default_models:
            change = "the setting TRIPTYCH_DEFAULT_MODELS"
        return Unavailable(
            f"The default model of {task}, {default!r}, is not announced by any worker. Nothing was accepted. Name "
            f"another model of /v1/models; or start a worker with this one, or choose another default: {change}"
        )

    def _named(self, task: str, name: str | None) -> list[ModelCard]:
        cards = self.models_of(task)
        if not cards:
            raise _no_model(task)
        named = [card for card in cards if name in {None, card.name}]
        if not named:
            raise _unknown(task, str(name))
        return named


def _no_model(task: str) -> Unavailable:
    return Unavailable(f"No worker has announced a model for the task {task} yet. Nothing was accepted.")


def _unknown(task: str, name: str) -> UnknownModel:
    return UnknownModel(f"No model {name[:128]!r} for the task {task}. See /v1/models.", param="model")
