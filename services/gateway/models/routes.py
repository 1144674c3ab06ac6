"""The routes that list the models, in the shape of OpenAI's list, and the workers that are alive."""

from typing import Annotated, Literal

import msgspec
from flask import Response
from msgspec import Meta

from contracts.cards import ModelCard, WorkerCard
from contracts.errors import UnknownModel
from contracts.store.registry import Registry
from services.gateway.http.operations import Operation, Parameter, ResponseSpec
from services.gateway.http.responses import json_response
from services.gateway.models.selection import ModelSelector
from services.gateway.monitoring.monitor import Monitor


class ModelView(msgspec.Struct, frozen=True, kw_only=True):
    """A model: OpenAI's fields, and those of its card."""

    id: str
    object: Literal["model"] = "model"
    created: int = 0  # a field of OpenAI's model object; cards have no time
    owned_by: str
    task: str
    family: str
    revision: str
    licence: str
    description: str
    max_tokens: int
    dimensions: int | None
    labels: list[str] | None
    chat: Annotated[bool, Meta(description="Whether it accepts conversations.")]
    source_languages: Annotated[
        dict[str, str] | None, Meta(description="Languages that it reads, by their codes; null: unknown.")
    ]
    target_languages: Annotated[dict[str, str] | None, Meta(description="Languages that it writes, by their codes.")]
    quality: dict[str, str | float | int]
    default: Annotated[bool, Meta(description="Whether it runs requests of its task that name no model.")]


class ModelList(msgspec.Struct, frozen=True, kw_only=True):
    """Every model that a worker has announced within a week."""

    object: Literal["list"] = "list"
    data: list[ModelView]


class GenerationView(msgspec.Struct, frozen=True, kw_only=True):
    """A worker's text generation: tokens since it started, and how full its caches are."""

    tokens_in: int
    tokens_out: int
    rows_running: int
    rows_waiting: int
    pauses: int
    cache_tokens: int
    cache_max_tokens: int


class WorkerView(msgspec.Struct, frozen=True, kw_only=True):
    """A worker that is alive. `padding_ratio` is computed tokens per real token, 1.0 being perfect."""

    id: str
    models: list[str]
    started_at: float
    running: int
    num_batches: int
    num_rows: int
    padding_ratio: float | None
    generation: Annotated[GenerationView | None, Meta(description="Of a worker that generates texts.")]


class WorkerList(msgspec.Struct, frozen=True, kw_only=True):
    """The workers that are alive."""

    object: Literal["list"] = "list"
    data: list[WorkerView]


class ModelRoutes:
    """Views of models and workers."""

    def __init__(self, monitor: Monitor, models: ModelSelector, registry: Registry) -> None:
        self._monitor = monitor
        self._models = models
        self._registry = registry

    def list_models(self, tenant: str) -> Response:
        """Respond with every model."""
        # Another process of this gateway may have shown a model that the monitor of this one has not read yet.
        self._monitor.refresh_models()
        return json_response(ModelList(data=[self._view(card) for card in self._monitor.models.values()]))

    def read_model(self, tenant: str, model: str) -> Response:
        """Respond with one model."""
        card = self._monitor.models.get(model)
        if card is None:
            self._monitor.refresh_models()
            card = self._monitor.models.get(model)
        if card is None:
            raise UnknownModel("No model has this name. See /v1/models.", param="model")
        return json_response(self._view(card))

    def list_workers(self, tenant: str) -> Response:
        """Respond with every worker that is alive."""
        return json_response(WorkerList(data=[_worker(card) for card in self._registry.workers()]))

    def _view(self, card: ModelCard) -> ModelView:
        own = {name: getattr(card, name) for name in card.__struct_fields__ if name != "name"}
        default = self._models.default_of(card.task) == card.name
        return ModelView(id=card.name, owned_by="triptych", default=default, **own)

    def operations(self) -> list[Operation]:
        """Return the table entries of these routes."""
        name = Parameter("model", "path", str, "The model's name.")
        return [
            Operation(
                "GET", "/v1/models", self.list_models, "Models", "List the models",
                {200: ResponseSpec("The models.", ModelList)},
            ),
            Operation(
                "GET", "/v1/models/{model}", self.read_model, "Models", "Read a model's card",
                {200: ResponseSpec("The model.", ModelView)}, parameters=(name,), errors=(404,),
            ),
            Operation(
                "GET", "/v1/workers", self.list_workers, "Models", "List the workers that are alive",
                {200: ResponseSpec("The workers.", WorkerList)},
            ),
        ]  # fmt: skip


def _worker(card: WorkerCard) -> WorkerView:
    figures = card.generation
    return WorkerView(
        id=card.id,
        models=card.models,
        started_at=card.started_at,
        running=card.running,
        num_batches=card.num_batches,
        num_rows=card.num_rows,
        padding_ratio=card.padded_tokens / card.real_tokens if card.real_tokens else None,
        generation=None if figures is None else msgspec.convert(figures, GenerationView, from_attributes=True),
    )
