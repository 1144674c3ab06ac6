"""What is counted of a job's work by the batching engine."""

from tests.support.attempts import make_attempt
from tests.support.waiting import PATIENCE_S, wait_until
from tests.unit.batching.echo import Echo, row
from workers.runtime.batching.engine import BatchingEngine


def test_rows_and_their_tokens_are_counted_for_their_jobs_whoever_shares_the_call(engine: BatchingEngine) -> None:
    model, first, second = Echo(), make_attempt(job_id="a"), make_attempt(job_id="b")
    handles = [
        engine.submit(model, [row(1, 3), row(2, 4), row(3, 5)], first),
        engine.submit(model, [row(4, 4)], second),
    ]
    assert all(handle.wait(PATIENCE_S) for handle in handles)
    counts, other = first.counts, second.counts
    assert (counts.num_rows, counts.tokens_in, counts.token_pairs, counts.tokens_out) == (3, 12, 50, 0)
    assert (other.num_rows, other.tokens_in, other.token_pairs) == (1, 4, 16)
    total = engine.figures().models[model.name]
    assert (total.num_rows, total.tokens_in, total.token_pairs) == (4, 16, 66) and total.read_s > 0


def test_an_engine_tells_whose_rows_wait_while_a_call_runs(engine: BatchingEngine) -> None:
    model, attempt = Echo(), make_attempt()
    model.gate.clear()
    running = engine.submit(model, [row(1)], attempt)
    assert model.entered.acquire(timeout=PATIENCE_S)
    assert not engine.waiting_flows()
    waiting = engine.submit(model, [row(2)], attempt)
    assert engine.waiting_flows() == {attempt.claim.flow}
    engine.cancel(waiting)
    assert not engine.waiting_flows()
    model.gate.set()
    assert running.wait(PATIENCE_S)
    wait_until(lambda: attempt.counts.num_rows == 1, "the row that ran was not counted, or the other one was")
