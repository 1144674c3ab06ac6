"""Figure 1: many clients at once, against a static batch in process, optimum's ``generate``, and one client alone.

All sides get the same jobs and take turns. Their tokens are compared, so a fast wrong answer ends the run.
"""

import statistics
from collections.abc import Sequence

from tokenizers import Tokenizer

from benchmarks.generation.contest import NUM_CLIENTS, STREAMED, WHOLE, Contest, Effort, Side
from benchmarks.generation.models import BenchModel
from benchmarks.generation.responses import Response
from benchmarks.generation.step_profile import Split
from benchmarks.harness.export_process import ExportProcess
from benchmarks.harness.machine import OtherLoad
from benchmarks.harness.report import Figure, p95
from benchmarks.seq2seq.jobs import NEW_TOKENS, make_jobs
from benchmarks.seq2seq.requests import request_of
from benchmarks.seq2seq.static_batch import NUM_ROWS, StaticBatches

ONE_BY_ONE = "one-by-one"
SIDES = {
    "static": Side("1a", "static batches of 16 in process", 0.85),
    "optimum": Side("1b", "optimum's generate on one static batch of 16", 1.2),
    ONE_BY_ONE: Side("1c", "one job after another, same worker", 4.0),
}


def measure(
    port: int, bench: BenchModel, tokenizer: Tokenizer, *, optimum: ExportProcess, effort: Effort, split: Split
) -> list[Figure]:
    """Return the figures, measured through the gateway at ``port``, with the ``split`` of the worker's steps."""
    jobs = make_jobs(tokenizer, NUM_CLIENTS * effort.jobs_per_client)
    contest = Contest(
        port,
        "seq2seq",
        SIDES,
        jobs,
        request_of=lambda job, streamed: request_of(job, bench.name, streamed=streamed),
        decode=tokenizer.decode,
    )
    static = StaticBatches(bench.package)
    first_ms: dict[str, list[float]] = {STREAMED: [], ONE_BY_ONE: []}
    other_load = OtherLoad()
    for number in range(effort.rounds):
        expected, responses = contest.run_round(lambda: static.run(jobs))
        first_ms[STREAMED] += _first_texts_ms(responses)
        start = number * NUM_ROWS % len(jobs)  # optimum gets another batch in each round
        batch = slice(start, start + NUM_ROWS)
        elapsed_s, tokens = optimum.ask([[job.input_ids.tolist() for job in jobs[batch]], 1, NEW_TOKENS])
        contest.note("optimum", elapsed_s, tokens, expected[batch])
        contest.run_clients(WHOLE, expected)
        responses = contest.run_clients(ONE_BY_ONE, expected[: effort.num_one_by_one], num_clients=1)
        first_ms[ONE_BY_ONE] += _first_texts_ms(responses)
    more = [_first_line(first_ms), contest.jobs_line("sources"), f"in process, all rows streamed: {split}"]
    return contest.figures(bench, [*more, str(other_load)])


def _first_texts_ms(responses: Sequence[Response]) -> list[float]:
    return [1000 * response.first_text_s() for response in responses]


def _first_line(first_ms: dict[str, list[float]]) -> str:
    first = {
        side: f"p50 {statistics.median(found):.1f} ms, p95 {p95(found):.1f} ms" for side, found in first_ms.items()
    }
    return f"first text {first[STREAMED]}; one client alone {first[ONE_BY_ONE]}"
