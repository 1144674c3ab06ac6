"""What is counted of a job's work: whatever the model has read and written for it, also if nobody gets it."""

import pytest

from tests.support.attempts import make_attempt
from tests.support.waiting import PATIENCE_S, wait_until
from tests.unit.decoding.fakes import FakeEncoderDecoderCache, FakeModel, RecordingSink, outputs_of, prompt, request
from workers.runtime.attempts.attempt import Attempt
from workers.runtime.decoding.engine import DecodingEngine
from workers.runtime.decoding.request import Beams, GenerationRequest


def counted(attempt: Attempt) -> tuple[int, int, int]:
    return attempt.counts.num_rows, attempt.counts.tokens_in, attempt.counts.tokens_out


def test_each_sequence_reads_its_prompt_and_writes(engine: DecodingEngine, model: FakeModel) -> None:
    attempt, other = make_attempt(job_id="a"), make_attempt(job_id="b")
    handles = [
        engine.submit(model, [request([1, 2, 3], 5, sequence=number) for number in range(6)], attempt),
        engine.submit(model, [request(range(1, 60), 2)], other),
    ]
    for handle in handles:
        outputs_of(handle)
    assert counted(attempt) == (6, 18, 30) and counted(other) == (1, 59, 2)
    total = engine.figures().models["fake"]
    assert (total.num_rows, total.tokens_in, total.tokens_out) == (7, 77, 32)
    assert total.read_s > 0 and total.write_s > 0


def test_a_long_prompt_is_one_row_in_whatever_number_of_calls(engine: DecodingEngine, model: FakeModel) -> None:
    attempt = make_attempt()
    outputs_of(engine.submit(model, [request([1] * 1000, 1)], attempt))
    assert counted(attempt) == (1, 1000, 1)


def test_all_beams_count_and_their_source_once(engine: DecodingEngine) -> None:
    model = FakeModel(FakeEncoderDecoderCache())
    attempt = make_attempt()
    search = GenerationRequest(
        prompt_ids=prompt(1), source_ids=prompt(4, 5, 6), max_new_tokens=7, beams=Beams(num_beams=3)
    )
    outputs_of(engine.submit(model, [search], attempt))
    assert counted(attempt) == (1, 3, 3 * 7)


def test_what_a_stopped_job_has_used_up_stays_counted(engine: DecodingEngine, model: FakeModel) -> None:
    attempt = make_attempt()
    handle = engine.submit(model, [request([1, 2], 4000)], attempt)
    wait_until(lambda: attempt.counts.tokens_out > 3, "nothing was generated")
    attempt.stop()
    assert handle.wait(PATIENCE_S)
    num_rows, tokens_in, tokens_out = counted(attempt)
    assert (num_rows, tokens_in) == (1, 2) and 3 < tokens_out < 4000


@pytest.mark.usefixtures("quiet")
def test_what_a_failed_job_has_used_up_stays_counted(engine: DecodingEngine, model: FakeModel) -> None:
    first = request([3, 4], 1)
    token = int(outputs_of(engine.submit(model, [first], make_attempt()))[0].text.removeprefix(" t"))
    model.cache.poisoned = {token}
    attempt = make_attempt()
    handle = engine.submit(model, [request([3, 4], 9)], attempt)
    assert handle.wait(PATIENCE_S)
    assert counted(attempt) == (1, 2, 1)


def test_tokens_count_together_with_the_time_in_which_they_are_read(model: FakeModel) -> None:
    """What is looked at meanwhile would have one without the other, and the model would seem fast."""
    engine = DecodingEngine(RecordingSink())
    model.cache.gate.clear()
    handle = engine.submit(model, [request([1] * 50, 1)], make_attempt())
    wait_until(lambda: engine.figures().busy_since is not None, "it is not read")
    counts = engine.figures().models["fake"]
    assert (counts.tokens_in, counts.read_s) == (0, 0.0)
    model.cache.gate.set()
    outputs_of(handle)
    assert counts.tokens_in == 50 and counts.read_s > 0
