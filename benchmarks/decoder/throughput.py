"""Figure 1: many clients at once, against the ceiling, a static batch, and one job after another.

All sides get the same jobs and take turns. Their tokens are compared, so a fast wrong answer ends the run.
"""

from contextlib import closing

from benchmarks.decoder.bare_loop import generate_all
from benchmarks.decoder.jobs import make_jobs
from benchmarks.decoder.requests import request_of
from benchmarks.decoder.static_batch import StaticBatches
from benchmarks.generation.comparison import timed
from benchmarks.generation.contest import NUM_CLIENTS, WHOLE, Contest, Effort, Side
from benchmarks.generation.models import BenchModel
from benchmarks.harness.export_process import ExportProcess
from benchmarks.harness.machine import OtherLoad
from benchmarks.harness.report import Figure
from workers.decoder.model import DecoderModel

SIDES = {
    "bare": Side("1a", "the same jobs in process, all there from the beginning", 0.85),
    "static": Side("1b", "static batches of 16 on the exporter's graph", 1.4),
    "one-by-one": Side("1c", "one job after another with optimum's generate", 8.0),
}


def measure(port: int, model: DecoderModel, bench: BenchModel, effort: Effort) -> list[Figure]:
    """Return the figures, measured through the gateway at ``port``; ``model`` is the ceiling."""
    jobs = make_jobs(model.tokenizer, NUM_CLIENTS * effort.jobs_per_client)
    few = jobs[: effort.num_one_by_one]
    contest = Contest(
        port,
        "decoder",
        SIDES,
        jobs,
        request_of=lambda job, streamed: request_of(job, model.name, streamed=streamed),
        decode=model.tokenizer.decode,
    )
    other_load = OtherLoad()
    static = StaticBatches(bench.concat_package)
    optimum = ExportProcess("benchmarks.decoder.optimum_generate", bench.source, bench.concat_package)
    with closing(optimum):
        for _ in range(effort.rounds):
            expected, _ = contest.run_round(lambda: generate_all(model, jobs, NUM_CLIENTS))
            contest.note("static", *timed(lambda: static.run(jobs)), expected)
            contest.run_clients(WHOLE, expected)
            elapsed_s, tokens = optimum.ask([[job.input_ids.tolist(), job.max_new_tokens] for job in few])
            contest.note("one-by-one", elapsed_s, tokens, expected[: len(few)])
    return contest.figures(bench, [contest.jobs_line("prompts"), str(other_load)])
