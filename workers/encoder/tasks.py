"""The encoder worker: which packages it serves, and the module of each task. Step 5 on the path of a job."""

from functools import partial
from typing import Any

from contracts.model_package.package import ModelPackage
from contracts.store.attempt_store import AttemptStore
from contracts.task_names import TaskName
from contracts.tasks.classify import ClassifyRequest
from contracts.tasks.embed import EmbedRequest
from workers.encoder.classify import classify
from workers.encoder.embed import embed
from workers.encoder.model import EncoderModel
from workers.runtime.batching.engine import BatchingEngine
from workers.runtime.batching.work import BatchWork
from workers.runtime.models.loading import WorkerSpec
from workers.runtime.models.served import ServedModel, TaskHandler
from workers.runtime.settings import WorkerSettings

HANDLERS: dict[TaskName, TaskHandler[EncoderModel, Any, BatchWork]] = {
    "embed": TaskHandler(EmbedRequest, embed),
    "classify": TaskHandler(ClassifyRequest, classify),
}


def load_encoder(package: ModelPackage, settings: WorkerSettings, engine: BatchingEngine) -> ServedModel:
    """Load and warm up one encoder. Raises as ``EncoderModel``."""
    model = EncoderModel(package, settings)
    model.warm_up()
    return ServedModel(model, model.card(), HANDLERS[model.task], partial(BatchWork, engine))


def _make_engine(_: AttemptStore) -> BatchingEngine:
    return BatchingEngine()


ENCODER = WorkerSpec("encoder", frozenset(("text-encoder", task) for task in HANDLERS), _make_engine, load_encoder)
"""Models that read a text and answer with anything but text. Packages of other tasks are left to other workers."""
