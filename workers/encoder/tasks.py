"""The encoder worker: which packages it serves, and the module of each task. Step 5 on the path of a job."""

from functools import partial
from typing import Any

from contracts.model_package.package import ModelPackage
from contracts.store.attempt_store import AttemptStore
from contracts.task_names import TaskName
from contracts.tasks import kinds_of
from workers.encoder.classify import CLASSIFY
from workers.encoder.embed import EMBED
from workers.encoder.handler import EncoderHandler
from workers.encoder.model import EncoderModel
from workers.runtime.batching.engine import BatchingEngine
from workers.runtime.batching.work import BatchWork
from workers.runtime.engine.engine import NoteCall
from workers.runtime.models.loading import WorkerSpec
from workers.runtime.models.served import ServedModel
from workers.runtime.price.measuring import measured
from workers.runtime.settings import WorkerSettings

HANDLERS: dict[TaskName, EncoderHandler[Any]] = {"embed": EMBED, "classify": CLASSIFY}


def open_encoder(
    package: ModelPackage, settings: WorkerSettings, kind: type[EncoderModel] = EncoderModel
) -> EncoderModel:
    """Return the model of a package, as an ``EncoderModel`` or a subclass. Raises as it."""
    return kind(package, settings, HANDLERS[package.manifest.task.name].make_head(package.manifest))


def serve_encoder(model: EncoderModel, engine: BatchingEngine) -> ServedModel:
    """Warm up a model and return it with its task."""
    model.warm_up()
    task = HANDLERS[model.manifest.task.name]
    return ServedModel(model, model.card(), task, partial(BatchWork, engine), measured(model.name, model.measure))


def load_encoder(package: ModelPackage, settings: WorkerSettings, engine: BatchingEngine) -> ServedModel:
    """Load and warm up one encoder. Raises as ``EncoderModel``."""
    return serve_encoder(open_encoder(package, settings), engine)


def _make_engine(_: AttemptStore, note_call: NoteCall) -> BatchingEngine:
    return BatchingEngine(note_call)


ENCODER = WorkerSpec("encoder", kinds_of("encoder"), _make_engine, load_encoder)
"""Models that read a text and answer with anything but text. Packages of other tasks are left to other workers."""
