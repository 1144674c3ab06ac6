"""A model that writes texts as a worker serves it: its jobs go through the decoding engine. Step 5 of a job."""

from collections.abc import Callable
from typing import Generic, Protocol, TypeVar

from contracts.cards import ModelCard
from contracts.jobs import Answer, Claim
from contracts.store.attempt_store import AttemptStore
from workers.runtime.attempts.attempt import Attempt
from workers.runtime.decoding.engine import DecodingEngine
from workers.runtime.decoding.model import DecodingModel
from workers.runtime.decoding.publisher import Publisher
from workers.runtime.decoding.work import DecodingWork


class Writer(DecodingModel, Protocol):
    """A loaded model that can be announced."""

    @property
    def task(self) -> str:
        """Return the name of its task."""
        ...

    def card(self) -> ModelCard:
        """Return what the gateway and clients may know of it."""
        ...


Model = TypeVar("Model", bound=Writer)
Run = Callable[[Model, str, bytes, DecodingWork], Answer]
"""A task: from the model, the job's id and its request to the answer."""


class ServedWriter(Generic[Model]):
    """A warm model that answers jobs through the engine, which counts its cache among the figures."""

    def __init__(self, model: Model, engine: DecodingEngine, run: Run[Model]) -> None:
        self.name = model.name
        self.task: str = model.task
        self.card = model.card
        self._model = model
        self._engine = engine
        self._run = run
        engine.know(model)

    def answer(self, claim: Claim, attempt: Attempt) -> Answer:
        """Run one attempt. Raises as the task."""
        return self._run(self._model, claim.id, claim.request, DecodingWork(self._engine, attempt))


def engine_of(store: AttemptStore) -> DecodingEngine:
    """Return the engine of a worker process, whose texts are told through the store as they grow."""
    return DecodingEngine(Publisher(store))
