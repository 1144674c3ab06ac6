"""The deltas that the decoding engine emits, and when."""

from collections.abc import Mapping

import pytest

from contracts.errors import TriptychError
from contracts.generation import TextDelta
from tests.support.attempts import make_attempt
from tests.support.waiting import PATIENCE_S, wait_until
from tests.unit.decoding.fakes import FakeModel, RecordingSink, answer, outputs_of, request, text_of, texts
from workers.runtime.attempts.attempt import Attempt
from workers.runtime.decoding.engine import DecodingEngine
from workers.runtime.decoding.handle import GenerationHandle


def test_a_streamed_text_is_emitted_token_by_token_and_other_jobs_are_listed_without_deltas(
    engine: DecodingEngine, model: FakeModel, sink: RecordingSink
) -> None:
    streamed, silent = make_attempt(), make_attempt()
    handles = [
        engine.submit(model, [request([6], 5, stream=True, logprobs=True, input=2, sequence=1)], streamed),
        engine.submit(model, [request([7], 5)], silent),
    ]
    for handle in handles:
        outputs_of(handle)
    wait_until(lambda: len(sink.deltas_of(streamed)) == 5, "five tokens did not make five deltas")
    deltas = sink.deltas_of(streamed)
    assert "".join(delta.text for delta in deltas) == text_of(answer([6], 5))
    assert [token.id for delta in deltas for token in delta.tokens] == answer([6], 5)
    assert [delta.finish_reason for delta in deltas] == [None] * 4 + ["length"]
    assert all((delta.input, delta.sequence) == (2, 1) for delta in deltas)
    assert all(-5 < token.logprob <= 0 for delta in deltas for token in delta.tokens)
    assert sink.deltas_of(silent) == []
    assert any(silent in emitted for emitted in sink.emitted), (
        "the sink learns of a cancel only for the jobs that are listed"
    )


def test_the_first_token_is_emitted_before_the_next_decode_step(model: FakeModel) -> None:
    emitted_before_step = []

    class CallRecordingSink(RecordingSink):
        def emit(self, deltas: dict[object, list[TextDelta]]) -> None:  # type: ignore[override]
            emitted_before_step.append((sum(map(len, deltas.values())), model.cache.calls[-1][0]))

    engine = DecodingEngine(CallRecordingSink())
    outputs_of(engine.submit(model, [request([6], 3, stream=True)], make_attempt()))
    assert emitted_before_step[0] == (1, "prefill")


def test_a_sink_that_fails_ends_the_jobs_but_not_the_engine(
    engine: DecodingEngine, model: FakeModel, sink: RecordingSink, quiet: None
) -> None:
    sink.broken = True
    handle = engine.submit(model, [request([6], 5, stream=True)], make_attempt())
    assert handle.wait(PATIENCE_S)
    with pytest.raises(TriptychError):
        handle.results()
    sink.broken = False
    assert texts(engine.submit(model, [request([6], 5)], make_attempt())) == [text_of(answer([6], 5))]


class OrderRecordingSink(RecordingSink):
    """Records whether a job was already finished when the last deltas of its texts were emitted."""

    def __init__(self) -> None:
        super().__init__()
        self.handle: GenerationHandle | None = None
        self.was_finished: list[bool] = []

    def emit(self, deltas: Mapping[Attempt, list[TextDelta]]) -> None:
        super().emit(deltas)
        if any(delta.finish_reason for job_deltas in deltas.values() for delta in job_deltas):
            assert self.handle is not None
            self.was_finished.append(self.handle.finished)


@pytest.mark.parametrize("num_tokens", [1, 2, 5])
def test_a_job_is_finished_only_after_its_last_deltas_are_emitted(num_tokens: int) -> None:
    """The store refuses the events of a job that has ended."""
    sink, model = OrderRecordingSink(), FakeModel()
    engine = DecodingEngine(sink)
    model.cache.gate.clear()
    requests = [request([3, number], num_tokens, stream=True) for number in range(1, 4)]
    sink.handle = engine.submit(model, requests, make_attempt())
    model.cache.gate.set()
    assert sink.handle.wait(PATIENCE_S)
    assert len(sink.handle.results()) == 3
    assert sink.was_finished and not any(sink.was_finished)
