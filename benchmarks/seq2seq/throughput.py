"""Figure 1: many clients at once, against a static batch in process, optimum's ``generate``, and one after another.

All sides get the same jobs and take turns. Their tokens are compared, so a fast wrong answer ends the run.
"""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from tokenizers import Tokenizer

from benchmarks.generation.comparison import Tokens, timed
from benchmarks.generation.contest import NUM_CLIENTS, Contest
from benchmarks.generation.responses import Answer
from benchmarks.generation.step_profile import Split
from benchmarks.harness.export_process import ExportProcess
from benchmarks.harness.machine import Bystanders
from benchmarks.harness.report import Figure, p95
from benchmarks.seq2seq.jobs import NEW_TOKENS, Job, make_jobs
from benchmarks.seq2seq.models import Measured
from benchmarks.seq2seq.requests import request_of
from benchmarks.seq2seq.static_batch import NUM_ROWS, StaticBatches

PEERS = {
    "static": ("1a", "static batches of 16 in process", 0.85),
    "optimum": ("1b", "optimum's generate on one static batch of 16", 1.2),
    "one-by-one": ("1c", "one job after another, same worker", 4.0),
}


@dataclass(frozen=True)
class Effort:
    """How much is measured."""

    jobs_per_client: int
    rounds: int
    num_one_by_one: int


class Sides:
    """Everybody who is given the jobs.

    Args:
        port: of the gateway.
        measured: the model, and the peer's graphs.
        tokenizer: of the model.
        effort: how much they are given. One client alone gets so few jobs that it does not take all the time.
        optimum: the peer, which gets a batch.
    """

    def __init__(
        self, port: int, measured: Measured, tokenizer: Tokenizer, effort: Effort, optimum: ExportProcess
    ) -> None:
        self.jobs = make_jobs(tokenizer, NUM_CLIENTS * effort.jobs_per_client)
        self.contest = Contest(port, "seq2seq")
        self.first_ms: dict[str, list[float]] = {"streamed": [], "one-by-one": []}
        """How long first texts took."""
        self._name = measured.name
        self._tokenizer = tokenizer
        self._static = StaticBatches(measured)
        self._optimum = optimum
        self._num_one_by_one = effort.num_one_by_one
        self._num_rounds = 0

    def play_round(self) -> None:
        """Let each side do its jobs once."""
        contest = self.contest
        cpu_s = [contest.cpu_seconds()]
        elapsed_s, expected = timed(lambda: self._static.run(self.jobs))
        contest.note("static", elapsed_s, expected)
        cpu_s.append(contest.cpu_seconds())
        self._note_first("streamed", self._play("streamed", self.jobs, expected))
        cpu_s.append(contest.cpu_seconds())
        contest.note_cpu(*cpu_s, num_tokens=sum(map(len, expected)))
        start = self._num_rounds * NUM_ROWS % len(self.jobs)
        batch = slice(start, start + NUM_ROWS)
        elapsed_s, tokens = self._optimum.ask([[job.source_ids.tolist() for job in self.jobs[batch]], 1, NEW_TOKENS])
        contest.note("optimum", elapsed_s, tokens, expected[batch])
        self._play("whole", self.jobs, expected)
        few = slice(self._num_one_by_one)
        self._note_first("one-by-one", self._play("one-by-one", self.jobs[few], expected[few], num_clients=1))
        self._num_rounds += 1

    def _play(
        self, name: str, jobs: Sequence[Job], expected: Tokens, *, num_clients: int = NUM_CLIENTS
    ) -> list[Answer]:
        requests = [request_of(job, self._name, streamed=name != "whole") for job in jobs]
        texts = [self._tokenizer.decode(list(tokens)) for tokens in expected]
        num_tokens = sum(map(len, expected))
        return self.contest.play(name, requests, texts, num_tokens=num_tokens, num_clients=num_clients)

    def _note_first(self, name: str, answers: Sequence[Answer]) -> None:
        self.first_ms[name] += [1000 * answer.first_text_s() for answer in answers]


def measure(sides: Sides, measured: Measured, rounds: int, split: Split) -> list[Figure]:
    """Return the figures. ``split`` is told with them: where the time of the worker's steps goes."""
    bystanders = Bystanders()
    for _ in range(rounds):
        sides.play_round()
    more = [*sides.contest.cpu_told(), *_told(sides), f"in process, all rows streamed: {split}", str(bystanders)]
    return [_figure(measured, sides.contest, peer, more if peer == "static" else []) for peer in PEERS]


def _figure(measured: Measured, contest: Contest, peer: str, more: Sequence[str]) -> Figure:
    number, words, target = PEERS[peer]
    title = f"{number}. {measured.title}: {NUM_CLIENTS} clients, streamed, against {words}"
    ratio = statistics.median(contest.ratios("streamed", peer))
    return Figure(f"{measured.key}-{peer}", title, ratio, "", "at least", target, [*contest.told(peer), *more])


def _told(sides: Sides) -> list[str]:
    num_read = sum(len(job.source_ids) for job in sides.jobs)
    first = {
        name: f"p50 {statistics.median(found):.1f} ms, p95 {p95(found):.1f} ms"
        for name, found in sides.first_ms.items()
    }
    return [
        f"first text {first['streamed']}; one client alone {first['one-by-one']}",
        f"{len(sides.jobs)} jobs, {num_read} tokens of sources, {NEW_TOKENS * len(sides.jobs)} new; "
        f"texts equal to the ceiling's: {min(sides.contest.equal):.0%}",
    ]
