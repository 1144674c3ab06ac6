"""Figure 1: many clients at once, against the ceiling, a static batch, and one job after another.

All sides get the same jobs and take turns. Their tokens are compared, so a fast wrong answer ends the run.
"""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.decoder.bare_loop import write_all
from benchmarks.decoder.jobs import Job, make_jobs
from benchmarks.decoder.models import Measured
from benchmarks.decoder.requests import request_of
from benchmarks.decoder.static_batch import StaticBatches
from benchmarks.generation.comparison import Tokens, timed
from benchmarks.generation.contest import NUM_CLIENTS, Contest
from benchmarks.harness.export_process import ExportProcess
from benchmarks.harness.machine import Bystanders
from benchmarks.harness.report import Figure
from workers.decoder.model import DecoderModel

PEERS = {
    "bare": ("1a", "the same jobs in process, all there from the beginning", 0.85),
    "static": ("1b", "static batches of 16 on the exporter's graph", 1.4),
    "one-by-one": ("1c", "one job after another with optimum's generate", 8.0),
}


class Sides:
    """Everybody who is given the jobs.

    Args:
        port: of the gateway.
        model: the ceiling.
        measured: for the peers' packages.
        jobs: a multiple of the number of clients.
        num_one_by_one: jobs that are run one after another: so few that it does not take all the time.
    """

    def __init__(
        self, port: int, model: DecoderModel, measured: Measured, jobs: Sequence[Job], *, num_one_by_one: int
    ) -> None:
        self.jobs = jobs
        self.contest = Contest(port, "decoder")
        self._model = model
        self._static = StaticBatches(measured.concat)
        self._optimum = ExportProcess("benchmarks.decoder.optimum_generate", measured.source, measured.concat)
        self._num_one_by_one = num_one_by_one

    def close(self) -> None:
        """End what was started."""
        self._optimum.close()

    def play_round(self) -> None:
        """Let each side do the jobs once."""
        contest = self.contest
        cpu_s = [contest.cpu_seconds()]
        elapsed_s, expected = timed(lambda: write_all(self._model, self.jobs, NUM_CLIENTS))
        contest.note("bare", elapsed_s, expected)
        cpu_s.append(contest.cpu_seconds())
        self._play("streamed", expected)
        cpu_s.append(contest.cpu_seconds())
        contest.note_cpu(*cpu_s, num_tokens=sum(map(len, expected)))
        elapsed_s, tokens = timed(lambda: self._static.run(self.jobs))
        contest.note("static", elapsed_s, tokens, expected)
        self._play("whole", expected)
        few = self.jobs[: self._num_one_by_one]
        elapsed_s, tokens = self._optimum.ask([[job.prompt_ids.tolist(), job.max_new_tokens] for job in few])
        contest.note("one-by-one", elapsed_s, tokens, expected[: self._num_one_by_one])

    def _play(self, name: str, expected: Tokens) -> None:
        requests = [request_of(job, self._model.name, streamed=name == "streamed") for job in self.jobs]
        texts = [self._model.tokenizer.decode(list(tokens)) for tokens in expected]
        num_tokens = sum(map(len, expected))
        self.contest.play(name, requests, texts, num_tokens=num_tokens, num_clients=NUM_CLIENTS)


@dataclass(frozen=True)
class Effort:
    """How much is measured."""

    jobs_per_client: int
    rounds: int
    num_one_by_one: int


def measure(port: int, model: DecoderModel, measured: Measured, effort: Effort) -> list[Figure]:
    """Return the figures, measured through the gateway at ``port``."""
    jobs = make_jobs(model.tokenizer, NUM_CLIENTS * effort.jobs_per_client)
    bystanders = Bystanders()
    sides = Sides(port, model, measured, jobs, num_one_by_one=effort.num_one_by_one)
    try:
        for _ in range(effort.rounds):
            sides.play_round()
    finally:
        sides.close()
    more = [*sides.contest.cpu_told(), _jobs_told(sides), str(bystanders)]
    return [_figure(measured, sides.contest, peer, more if peer == "bare" else []) for peer in PEERS]


def _figure(measured: Measured, contest: Contest, peer: str, more: Sequence[str]) -> Figure:
    number, words, target = PEERS[peer]
    title = f"{number}. {measured.title}: {NUM_CLIENTS} clients, streamed, against {words}"
    ratio = statistics.median(contest.ratios("streamed", peer))
    return Figure(f"{measured.key}-{peer}", title, ratio, "", "at least", target, [*contest.told(peer), *more])


def _jobs_told(sides: Sides) -> str:
    num_read, num_new = sum(len(job.prompt_ids) for job in sides.jobs), sum(job.max_new_tokens for job in sides.jobs)
    return (
        f"{len(sides.jobs)} jobs, {num_read} tokens of prompts, {num_new} new; "
        f"texts equal to the ceiling's: {min(sides.contest.equal):.0%}"
    )
