"""The encoder's tasks: job in, job out, over one small module a task. Step 5 on the path of a job."""

from collections.abc import Callable

from contracts.jobs import Answer, Claim
from contracts.model_package.package import ModelPackage
from contracts.store.attempt_store import AttemptStore
from contracts.task_names import TaskName
from workers.encoder.classify import classify
from workers.encoder.embed import embed
from workers.encoder.model import EncoderModel
from workers.runtime.attempts.attempt import Attempt
from workers.runtime.batching.engine import Engine
from workers.runtime.batching.work import Work
from workers.runtime.models.loading import WorkerSpec
from workers.runtime.settings import WorkerSettings

TASKS: dict[TaskName, Callable[[EncoderModel, bytes, Work], Answer]] = {"embed": embed, "classify": classify}


class ServedEncoder:
    """An encoder that answers jobs through the engine."""

    def __init__(self, model: EncoderModel, engine: Engine) -> None:
        self.name = model.name
        self.task: str = model.task
        self.card = model.card
        self._model = model
        self._engine = engine
        self._task = TASKS[model.task]

    def answer(self, claim: Claim, attempt: Attempt) -> Answer:
        """Run one attempt. Raises as ``Work.infer`` and the task's own checks."""
        return self._task(self._model, claim.request, Work(self._engine, attempt))


def load_encoder(package: ModelPackage, settings: WorkerSettings, engine: Engine) -> ServedEncoder:
    """Load and warm one encoder. Raises as ``EncoderModel``."""
    model = EncoderModel(package, settings)
    model.warm_up()
    return ServedEncoder(model, engine)


def _engine(_: AttemptStore) -> Engine:
    return Engine()


ENCODER = WorkerSpec("encoder", frozenset(("text-encoder", task) for task in TASKS), _engine, load_encoder)
"""The texts that this worker reads today; packages of other tasks are left to later ones."""
