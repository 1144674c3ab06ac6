"""A worker that a test controls step by step."""

import json
from typing import Any

import msgspec

from contracts.errors import TriptychError
from contracts.generation import GenerateOutput, GenerateParameters, TextDelta
from contracts.jobs import Claim, queue_of
from contracts.seq2seq import TranslateOutput
from contracts.tasks import TASKS
from tests.gateway.fakes.generation import UNSERVED_GENERATOR, answer_of, deltas_of, sequence_of
from tests.gateway.fakes.seq2seq import UNSERVED_CORRECTOR, UNSERVED_TRANSLATOR
from tests.support.job_store import JobStore
from tests.support.waiting import wait_until


class ManualWorker:
    """Claims the next job of a model without a worker, and does with it what the test says."""

    MODELS = (UNSERVED_GENERATOR, UNSERVED_TRANSLATOR, UNSERVED_CORRECTOR)

    def __init__(self, store: JobStore) -> None:
        self._store = store
        self.claim = self._claimed()
        self._num_calls = 0
        self.request = json.loads(self.claim.request)
        self.parameters: Any = msgspec.convert(self.request["parameters"], TASKS[self.claim.task].parameters)

    def _claimed(self) -> Claim:
        return wait_until(self._next, "no job to take")

    def _next(self) -> Claim | None:
        found = (self._store.claim(queue_of(model), "manual-worker") for model in self.MODELS)
        return next(filter(None, found), None)

    def emit(self, *deltas: TextDelta) -> set[str]:
        """Emit deltas in one event; return the ids of jobs that must stop."""
        self._num_calls += 1
        return self._store.publish(
            [(self.claim, msgspec.json.encode(deltas))], f"{self.claim.attempt}.{self._num_calls}"
        )

    def deltas(self, prompt: str = "hi") -> list[TextDelta]:
        """Return all deltas of the text that is this job's answer; only those of generate jobs have tokens."""
        if self.claim.task == "generate":
            return deltas_of(prompt, self.parameters)
        deltas = [msgspec.structs.replace(delta, tokens=[]) for delta in deltas_of(prompt, GenerateParameters())]
        return [delta for delta in deltas if delta.text or delta.finish_reason]

    def lose_job(self) -> None:
        """Lose the job, as a worker that dies, and claim it again."""
        self._store.release([self.claim])
        self.claim = self._claimed()

    def succeed(self, deltas: list[TextDelta]) -> None:
        """Finish with the text of these deltas."""
        self.answer(self._output(deltas))

    def answer(self, output: Any) -> None:
        """Finish with an output of the task."""
        assert self._store.succeed(self.claim, answer_of(output))

    def _output(self, deltas: list[TextDelta]) -> Any:
        if self.claim.task == "generate":
            return GenerateOutput(**msgspec.structs.asdict(sequence_of(deltas, self.parameters)))
        text = "".join(delta.text for delta in deltas)
        return TranslateOutput(text=text, finish_reason=deltas[-1].finish_reason or "length")

    def fail(self, error: TriptychError) -> None:
        assert self._store.fail(self.claim, error)
