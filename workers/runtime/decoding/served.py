"""How workers that generate text serve their models: on one decoding engine, which streams through the job store."""

from functools import partial
from typing import Any, TypeVar

from contracts.cards import ModelCard
from contracts.price.profile import ModelProfile
from contracts.store.attempt_store import AttemptStore
from workers.runtime.decoding.engine import DecodingEngine
from workers.runtime.decoding.model import DecodingModel
from workers.runtime.decoding.publisher import Publisher
from workers.runtime.decoding.work import DecodingWork
from workers.runtime.engine.engine import NoteCall
from workers.runtime.inference.budget import saved_budget_bytes
from workers.runtime.models.served import UNKNOWN, ServedModel, TaskHandler
from workers.runtime.settings import WorkerSettings

Model = TypeVar("Model", bound=DecodingModel)


def make_engine(store: AttemptStore, note_call: NoteCall) -> DecodingEngine:
    """Return the engine of a worker process, which streams what it generates through the job store."""
    return DecodingEngine(Publisher(store), note_call)


def serve(
    model: Model,
    card: ModelCard,
    task: TaskHandler[Model, Any, DecodingWork],
    engine: DecodingEngine,
    settings: WorkerSettings,
    *,
    profile: ModelProfile = UNKNOWN,
) -> ServedModel:
    """Return a warm model as it is served, and let the engine report how full its cache is."""
    engine.limit_saved(saved_budget_bytes(settings))
    engine.register(model)
    return ServedModel(model, card, task, partial(DecodingWork, engine), profile)
