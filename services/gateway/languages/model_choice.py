"""Which model reads and writes which language, for routes whose clients name languages and no models."""

from collections.abc import Callable, Iterable, Mapping
from typing import TypeVar

from contracts.cards import ModelCard
from contracts.errors import InvalidRequest, Unavailable, UnknownModel
from services.gateway.monitoring.monitor import Monitor

T = TypeVar("T")
AUTO = "auto"
UNKNOWN = ("zz", "Unknown")
MAX_TOLD = 60


class ModelChoice:
    """The models of one task among which such a request chooses."""

    def __init__(self, monitor: Monitor, task: str, default: str | None) -> None:
        self._monitor = monitor
        self._task = task
        self._default = default

    def cards(self) -> list[ModelCard]:
        """Return the task's models: the default one first, then by name."""
        found = [card for card in self._monitor.models.values() if card.task == self._task]
        return sorted(found, key=lambda card: (card.name != self._default, card.name))

    def among(self, name: str | None, choose: Callable[[list[ModelCard]], T]) -> T:
        """Return what ``choose`` finds among them, or in the one of this name; where nothing, after another look.

        Raises:
            InvalidRequest: nothing, as ``choose`` says. UnknownModel: no model of this name.
            Unavailable: no model at all.
        """
        try:
            return choose(self._named(name))
        except (InvalidRequest, Unavailable):
            # A worker may have announced it since: whoever saw the announcement may count on it.
            if not self._monitor.look_for_models():
                raise
        return choose(self._named(name))

    def _named(self, name: str | None) -> list[ModelCard]:
        cards = self.cards()
        found = [card for card in cards if name in {None, card.name}]
        if not cards:
            raise Unavailable(f"No worker has announced a model for the task {self._task} yet. Nothing was accepted.")
        if not found:
            raise UnknownModel(f"No model {name!r} for the task {self._task}. See /v1/models.", param="model")
        return found


def translated_languages(cards: Iterable[ModelCard]) -> dict[str, str]:
    """Return the English names of all languages that these models read or write, by code."""
    found: dict[str, str] = {}
    for card in cards:
        found = {**(card.source_languages or {}), **(card.target_languages or {}), **found}
    return dict(sorted(found.items()))


def targets_of(cards: Iterable[ModelCard], source: str) -> list[str]:
    """Return the codes of the languages into which one is translated; itself among them, for the text as it is."""
    reading = [card for card in cards if source in (card.source_languages or {})]
    return sorted({source}.union(*(card.target_languages or {} for card in reading)))


def check_known(cards: Iterable[ModelCard], code: str, field: str) -> None:
    """Raise InvalidRequest, naming the field, for a language that these models neither read nor write."""
    known = translated_languages(cards)
    if code not in known:
        raise InvalidRequest(f"{code!r} is not supported. Languages: {_told(known) or 'none'}.", param=field)


def translator(cards: list[ModelCard], source: str, target: str) -> tuple[ModelCard, str]:
    """Return the first of these models that reads ``source`` and writes ``target``, and the source's code.

    ``source`` may be ``AUTO`` where there is but one language from which they translate into the target.

    Raises:
        InvalidRequest: a language is not known, there is no such model, or the source can't be told.
    """
    known = translated_languages(cards)
    if source != AUTO:
        check_known(cards, source, "source")
    check_known(cards, target, "target")
    writing = [card for card in cards if target in (card.target_languages or {})]
    if source == AUTO:
        return _only_source(writing, target)
    for card in writing:
        if source in (card.source_languages or {}):
            return card, source
    others = _told(code for code in targets_of(cards, source) if code != source)
    raise InvalidRequest(
        f"{known[target]} ({target}) is not available from {known[source]} ({source}). From there: {others or 'none'}.",
        param="target",
    )


def _only_source(writing: list[ModelCard], target: str) -> tuple[ModelCard, str]:
    codes = {name: code for card in reversed(writing) for code, name in reversed((card.source_languages or {}).items())}
    if len(codes) == 1:
        return writing[0], next(iter(codes.values()))
    raise InvalidRequest(
        f"Languages are not detected here, and texts of several are translated into {target}: name the source, "
        f"one of {_told(sorted(codes.values())) or 'none'}.",
        param="source",
    )


def reader(cards: list[ModelCard], code: str) -> tuple[ModelCard, tuple[str, str]]:
    """Return the first of these models that reads a language, and the language's code and name.

    ``en-US`` is read by whoever reads ``en``, ``AUTO`` by the first, and everything by a model that tells no languages.

    Raises:
        InvalidRequest: none of them reads it.
    """
    for card in cards:
        languages = card.source_languages or {}
        if code == AUTO:
            return card, next(iter(languages.items()), UNKNOWN)
        for own in (code, code.partition("-")[0]):
            if own in languages:
                return card, (code, languages[own])
        if not languages:
            return card, (code, code)
    known = _told([*languages_read(cards), AUTO])
    raise InvalidRequest(f"{code!r} is not a language code known here. Languages: {known}.", param="language")


def languages_read(cards: Iterable[ModelCard]) -> dict[str, str]:
    """Return the English names of all languages that these models read, by code."""
    found: Mapping[str, str] = {}
    for card in cards:
        found = {**(card.source_languages or {}), **found}
    return dict(sorted(found.items()))


def _told(codes: Iterable[str]) -> str:
    found = list(codes)
    return ", ".join(found[:MAX_TOLD]) + (" and others" if len(found) > MAX_TOLD else "")
