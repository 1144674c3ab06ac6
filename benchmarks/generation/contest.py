"""Clients of a served model and their peers do the same jobs, round for round. Throughput is in tokens per second."""

import os
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from benchmarks.generation.clients import Script, numbered, run_scripts
from benchmarks.generation.comparison import Tokens, ratios_of, share_equal, timed
from benchmarks.generation.jobs import Job
from benchmarks.generation.models import BenchModel
from benchmarks.generation.responses import Request, Response
from benchmarks.harness.machine import cpu_seconds, pids_of
from benchmarks.harness.report import Figure, spread

NUM_CLIENTS = 16
STAGGER_S = 0.1
"""Time between the starts of two clients. Together they would all prefill first and then all decode."""
STREAMED, WHOLE = "streamed", "whole"
"""The sides that are our clients, with and without streaming."""
_PROCESSES = {"gateway": "services.gateway", "store": "valkey-server", "clients": ""}
"""Processes whose CPU time is counted, and a word of their command lines; '' is this process."""


@dataclass(frozen=True)
class Side:
    """What the clients are compared with, as the report presents it."""

    number: str
    """Of the figure, such as 1a."""
    words: str
    target: float


@dataclass(frozen=True)
class Effort:
    """How much is measured."""

    jobs_per_client: int
    rounds: int
    num_one_by_one: int
    """Jobs of the side that does one after another, which would take longer than all others with the whole list."""


class Contest:
    """The measurements of all sides so far.

    Args:
        port: of the gateway.
        family: of the worker.
        sides: the ceiling first.
        jobs: what every side does.
        request_of: makes the request of a job, streamed or not.
        decode: turns tokens into the text that a client should get.
    """

    def __init__(
        self,
        port: int,
        family: str,
        sides: Mapping[str, Side],
        jobs: Sequence[Job],
        *,
        request_of: Callable[[Job, bool], Request],
        decode: Callable[[list[int]], str],
    ) -> None:
        self._port = port
        self._sides = sides
        self._jobs = jobs
        self._request_of = request_of
        self._decode = decode
        self._processes = {"worker": f"workers.{family}", **_PROCESSES}
        self._rates: dict[str, list[float]] = {}
        """Tokens per second of each side, one number a round."""
        self._cpu_ms: dict[str, list[float]] = {}
        """CPU time of a token in the ceiling's loop, and in each of our processes while the clients streamed."""
        self._equal: list[float] = []
        """Shares of the clients' texts that were equal to the ceiling's."""

    def run_round(self, ceiling: Callable[[], Tokens]) -> tuple[Tokens, list[Response]]:
        """Let the ceiling do all jobs, then the streaming clients; return the tokens, and what the clients got."""
        cpu_s = [self._cpu_seconds()]
        elapsed_s, expected = timed(ceiling)
        self.note(next(iter(self._sides)), elapsed_s, expected)
        cpu_s.append(self._cpu_seconds())
        responses = self.run_clients(STREAMED, expected)
        cpu_s.append(self._cpu_seconds())
        # The ceiling has run in this process, so its CPU time is what the clients' process used in between.
        self._note_cpu(*cpu_s, num_tokens=sum(map(len, expected)))
        return expected, responses

    def run_clients(self, side: str, expected: Tokens, *, num_clients: int = NUM_CLIENTS) -> list[Response]:
        """Let clients take turns with the first jobs, and note the time from the first byte sent to the last received.

        Args:
            side: the name of the side; all sides but WHOLE are streamed.
            expected: the tokens of the first jobs. The others are left out.
            num_clients: how many clients there are.

        Returns:
            The responses, in the order of the jobs.

        Raises:
            BenchError: too many texts are not the expected ones.
        """
        requests = [self._request_of(job, side != WHOLE) for job in self._jobs[: len(expected)]]
        texts = [self._decode(list(tokens)) for tokens in expected]
        # One queue for all clients, so that none is idle while another still has requests.
        queue = numbered(requests)
        found = run_scripts(self._port, [Script(queue, STAGGER_S * client) for client in range(num_clients)])
        self._equal.append(share_equal([response.text() for response in found], texts))
        elapsed_s = max(response.ended_at for response in found) - min(response.sent_at for response in found)
        self._rates.setdefault(side, []).append(sum(map(len, expected)) / elapsed_s)
        return found

    def note(self, side: str, elapsed_s: float, tokens: Tokens, expected: Tokens | None = None) -> None:
        """Note what a side generated, and in which time.

        Raises:
            BenchError: it is not what was expected.
        """
        if expected is not None:
            share_equal(tokens, expected)
        self._rates.setdefault(side, []).append(sum(map(len, tokens)) / elapsed_s)

    def figures(self, model: BenchModel, more: Sequence[str]) -> list[Figure]:
        """Return a figure for each side; ``more`` are lines for the first one."""
        return [
            Figure(
                f"{model.key}-{name}",
                f"{side.number}. {model.title}: {NUM_CLIENTS} clients, streamed, against {side.words}",
                statistics.median(self._ratios(STREAMED, name)),
                "",
                "at least",
                side.target,
                [*self._rate_lines(name), *(() if index else [*self._cpu_lines(), *more])],
            )
            for index, (name, side) in enumerate(self._sides.items())
        ]

    def jobs_line(self, what_was_read: str) -> str:
        """Return the size of the jobs, and how many texts were equal, as text."""
        num_read, num_new = (sum(len(job.input_ids) for job in self._jobs), sum(j.max_new_tokens for j in self._jobs))
        return (
            f"{len(self._jobs)} jobs, {num_read} tokens of {what_was_read}, {num_new} new; "
            f"texts equal to the ceiling's: {min(self._equal):.0%}"
        )

    def _ratios(self, ours: str, theirs: str) -> list[float]:
        return ratios_of(self._rates[ours], self._rates[theirs])

    def _rate_lines(self, side: str) -> list[str]:
        others = self._ratios(WHOLE, side)
        return [
            f"ratio     {spread(self._ratios(STREAMED, side))}; not streamed {statistics.median(others):.2f}",
            f"streamed  {spread(self._rates[STREAMED], '.1f')} tokens/s",
            f"whole     {spread(self._rates[WHOLE], '.1f')} tokens/s: the same clients, not streamed",
            f"the other {spread(self._rates[side], '.1f')} tokens/s",
        ]

    def _cpu_seconds(self) -> dict[str, float]:
        words = self._processes.items()
        return {name: cpu_seconds(pids_of(word) if word else [os.getpid()]) for name, word in words}

    def _note_cpu(
        self, start: dict[str, float], middle: dict[str, float], end: dict[str, float], *, num_tokens: int
    ) -> None:
        """Note the CPU time of the ceiling, which ran in this process first, and of our processes, which ran next."""
        own = 1000 * (middle["clients"] - start["clients"]) / num_tokens
        self._cpu_ms.setdefault("bare", []).append(own)
        for name in self._processes:
            self._cpu_ms.setdefault(name, []).append(1000 * (end[name] - middle[name]) / num_tokens)

    def _cpu_lines(self) -> list[str]:
        medians = {name: statistics.median(ms) for name, ms in self._cpu_ms.items()}
        bare = medians.pop("bare")
        spent = ", ".join(f"{name} {ms:.2f}" for name, ms in medians.items())
        return [
            f"CPU time  {bare / sum(medians.values()):.2f} as a ratio: the bare loop's to that of all our processes",
            f"CPU ms a token: {spent}; bare {bare:.2f}",
        ]
