"""Figure 1: many clients at once, against the ceiling, a static batch, and one job after another.

All sides get the same jobs and take turns. Their tokens are compared, so a fast wrong answer ends the run.
"""

import os
import statistics
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from benchmarks.decoder.answers import request_of
from benchmarks.decoder.bare import write_all
from benchmarks.decoder.clients import Ask, Script, play
from benchmarks.decoder.jobs import NUM_CLIENTS, Job, make_jobs
from benchmarks.decoder.models import Measured
from benchmarks.decoder.one_by_one_process import OneByOne
from benchmarks.decoder.static_batch import StaticBatches
from benchmarks.machine import Bystanders, cpu_seconds, pids_of
from benchmarks.report import BenchError, Figure, spread
from workers.decoder.model import DecoderModel

STAGGER_S = 0.1
"""Each client comes so much later than the one before it."""
LEAST_EQUAL = 0.9
"""Share of texts that must be the ceiling's. Not all: pieces of a prompt may round differently than the whole, and
weights that were drawn at random make near ties."""
PROCESSES = {"worker": "workers.decoder", "gateway": "services.gateway", "store": "valkey-server", "clients": ""}
PEERS = {
    "bare": ("1a", "the same jobs in process, all there from the beginning", 0.85),
    "static": ("1b", "static batches of 16 on the exporter's graph", 1.4),
    "one-by-one": ("1c", "one job after another with optimum's generate", 8.0),
}
Tokens = Sequence[Sequence[int]]


class Sides:
    """Everybody who is given the jobs, and the tokens a second of each, a number a round.

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
        self.rates: dict[str, list[float]] = {name: [] for name in ("streamed", "whole", *PEERS)}
        self.cpu_ms: dict[str, list[float]] = {name: [] for name in ("bare", *PROCESSES)}
        """What the bare loop, and each process of ours, spent on a token that was streamed."""
        self.equal: list[float] = []
        """Shares of the clients' texts that were the ceiling's."""
        self._port = port
        self._model = model
        self._static = StaticBatches(measured.concat)
        self._optimum = OneByOne(measured)
        self._num_one_by_one = num_one_by_one

    def close(self) -> None:
        """End what was started."""
        self._optimum.close()

    def play_round(self) -> None:
        """Let each side do the jobs once."""
        cpu_s = [_cpu_seconds_by_process()]
        elapsed_s, expected = _timed(lambda: write_all(self._model, self.jobs, NUM_CLIENTS))
        self._note("bare", elapsed_s, expected)
        cpu_s.append(_cpu_seconds_by_process())
        self._play("streamed", expected)
        cpu_s.append(_cpu_seconds_by_process())
        self._note_cpu(*cpu_s, num_tokens=sum(map(len, expected)))
        elapsed_s, tokens = _timed(lambda: self._static.run(self.jobs))
        self._note("static", elapsed_s, tokens, expected)
        self._play("whole", expected)
        elapsed_s, tokens = self._optimum.run(self.jobs[: self._num_one_by_one])
        self._note("one-by-one", elapsed_s, tokens, expected[: self._num_one_by_one])

    def _note(self, name: str, elapsed_s: float, tokens: Tokens, expected: Tokens | None = None) -> None:
        if expected is not None:
            share_equal(tokens, expected)
        self.rates[name].append(sum(map(len, tokens)) / elapsed_s)

    def _note_cpu(
        self, start: dict[str, float], middle: dict[str, float], end: dict[str, float], *, num_tokens: int
    ) -> None:
        self.cpu_ms["bare"].append(1000 * (middle["clients"] - start["clients"]) / num_tokens)
        for name in PROCESSES:
            self.cpu_ms[name].append(1000 * (end[name] - middle[name]) / num_tokens)

    def _play(self, name: str, expected: Tokens) -> None:
        """Run the clients, from the first request to the end of the last answer."""
        streamed = name == "streamed"
        requests = [request_of(job, self._model.name, streamed=streamed) for job in self.jobs]
        asks = deque(Ask(index, request) for index, request in enumerate(requests))
        found = play(self._port, [Script(asks, STAGGER_S * client, 0.0, streamed) for client in range(NUM_CLIENTS)])
        texts = [self._model.tokenizer.decode(tokens) for tokens in expected]
        self.equal.append(share_equal([answer.text() for answer in found], texts))
        elapsed_s = max(answer.ended_at for answer in found) - min(answer.sent_at for answer in found)
        self.rates[name].append(sum(map(len, expected)) / elapsed_s)


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
    more = [*_told(sides), str(bystanders)]
    return [_figure(measured, sides, peer, more if peer == "bare" else []) for peer in PEERS]


def _figure(measured: Measured, sides: Sides, peer: str, more: Sequence[str]) -> Figure:
    number, words, target = PEERS[peer]
    rates = sides.rates
    ratios, others = (_ratios(rates[ours], rates[peer]) for ours in ("streamed", "whole"))
    parts = [
        f"ratio     {spread(ratios)}; not streamed {statistics.median(others):.2f}",
        f"streamed  {spread(rates['streamed'], '.1f')} tokens/s",
        f"whole     {spread(rates['whole'], '.1f')} tokens/s: the same clients, not streamed",
        f"the other {spread(rates[peer], '.1f')} tokens/s",
        *more,
    ]
    title = f"{number}. {measured.title}: {NUM_CLIENTS} clients, streamed, against {words}"
    return Figure(f"{measured.key}-{peer}", title, statistics.median(ratios), "", "at least", target, parts)


def _told(sides: Sides) -> list[str]:
    medians = {name: statistics.median(ms) for name, ms in sides.cpu_ms.items()}
    bare = medians.pop("bare")
    spent = ", ".join(f"{name} {ms:.2f}" for name, ms in medians.items())
    num_read, num_new = sum(len(job.prompt_ids) for job in sides.jobs), sum(job.max_new_tokens for job in sides.jobs)
    return [
        f"CPU time  {bare / sum(medians.values()):.2f} as a ratio: the bare loop's to that of all our processes",
        f"CPU ms a token: {spent}; bare {bare:.2f}",
        f"{len(sides.jobs)} jobs, {num_read} tokens of prompts, {num_new} new; "
        f"texts equal to the ceiling's: {min(sides.equal):.0%}",
    ]


def share_equal(found: Sequence[object], expected: Sequence[object]) -> float:
    """Return the share of equal texts; one may differ even among a few.

    Raises:
        BenchError: it is too small for rounding to be the reason.
    """
    num_wrong = sum(one != other for one, other in zip(found, expected, strict=True))
    if num_wrong > max(1.0, (1 - LEAST_EQUAL) * len(expected)):
        raise BenchError(f"{num_wrong} of {len(expected)} texts are not the ceiling's")
    return 1 - num_wrong / len(expected)


def _ratios(ours: Sequence[float], theirs: Sequence[float]) -> list[float]:
    return [our / their for our, their in zip(ours, theirs, strict=True)]


def _timed(call: Callable[[], list[list[int]]]) -> tuple[float, list[list[int]]]:
    started = time.perf_counter()
    found = call()
    return time.perf_counter() - started, found


def _cpu_seconds_by_process() -> dict[str, float]:
    return {name: cpu_seconds(pids_of(word) if word else [os.getpid()]) for name, word in PROCESSES.items()}
