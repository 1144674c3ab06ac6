"""The last piece of a text is told before its job can end: what comes after a job's end is refused by the store."""

from collections.abc import Mapping

import pytest

from contracts.generation import TextDelta
from tests.support.attempts import make_attempt
from tests.support.waiting import PATIENCE_S
from tests.unit.decoding.fakes import FakeModel, Listener, request
from workers.runtime.attempts.attempt import Attempt
from workers.runtime.decoding.engine import DecodingEngine
from workers.runtime.decoding.handle import GenerationHandle


class Witness(Listener):
    """Notes whether the job had its texts already when it was told of their ends."""

    def __init__(self) -> None:
        super().__init__()
        self.handle: GenerationHandle | None = None
        self.was_finished: list[bool] = []

    def emit(self, deltas: Mapping[Attempt, list[TextDelta]]) -> None:
        super().emit(deltas)
        if any(piece.finish_reason for pieces in deltas.values() for piece in pieces):
            assert self.handle is not None
            self.was_finished.append(self.handle.finished)


@pytest.mark.parametrize("num_tokens", [1, 2, 5])
def test_a_job_has_its_texts_only_once_their_ends_are_told(num_tokens: int) -> None:
    witness, model = Witness(), FakeModel()
    engine = DecodingEngine(witness)
    model.cache.gate.clear()
    requests = [request([3, number], num_tokens, stream=True) for number in range(1, 4)]
    witness.handle = engine.submit(model, requests, make_attempt())
    model.cache.gate.set()
    assert witness.handle.wait(PATIENCE_S)
    assert len(witness.handle.results()) == 3
    assert witness.was_finished and not any(witness.was_finished)
