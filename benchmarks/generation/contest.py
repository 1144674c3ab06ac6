"""Many clients of a served model, and the peers that do the same jobs: everybody's tokens a second, round for round."""

import os
import statistics
from collections.abc import Sequence

from benchmarks.generation.clients import Script, ask_all, play
from benchmarks.generation.comparison import Tokens, ratios_of, share_equal
from benchmarks.generation.responses import Answer, Request
from benchmarks.harness.machine import cpu_seconds, pids_of
from benchmarks.harness.report import spread

NUM_CLIENTS = 16
STAGGER_S = 0.1
"""Each client comes so much later than the one before it."""
_PROCESSES = {"gateway": "services.gateway", "store": "valkey-server", "clients": ""}


class Contest:
    """What was measured of each side so far.

    Args:
        port: of the gateway.
        family: of the worker.
    """

    def __init__(self, port: int, family: str) -> None:
        self.rates: dict[str, list[float]] = {}
        """Tokens a second of each side, a number a round."""
        self.cpu_ms: dict[str, list[float]] = {}
        """What the bare loop, and each process of ours, spent on a token that was streamed."""
        self.equal: list[float] = []
        """Shares of the clients' texts that were the ceiling's."""
        self._port = port
        self._processes = {"worker": f"workers.{family}", **_PROCESSES}

    def note(self, name: str, elapsed_s: float, tokens: Tokens, expected: Tokens | None = None) -> None:
        """Note what a side wrote.

        Raises:
            BenchError: it is not what was expected.
        """
        if expected is not None:
            share_equal(tokens, expected)
        self.rates.setdefault(name, []).append(sum(map(len, tokens)) / elapsed_s)

    def play(
        self, name: str, requests: Sequence[Request], texts: Sequence[str], *, num_tokens: int, num_clients: int
    ) -> list[Answer]:
        """Let clients take turns with requests, and note their time, from the first byte sent to the last received.

        Args:
            name: of the side.
            requests: one for each of the texts.
            texts: the answers that are expected.
            num_tokens: of all texts together.
            num_clients: each comes somewhat later than the one before it.

        Returns:
            The answers, in the order of the requests.

        Raises:
            BenchError: too many texts are others.
        """
        asks = ask_all(requests)
        found = play(self._port, [Script(asks, STAGGER_S * client) for client in range(num_clients)])
        self.equal.append(share_equal([answer.text() for answer in found], texts))
        elapsed_s = max(answer.ended_at for answer in found) - min(answer.sent_at for answer in found)
        self.rates.setdefault(name, []).append(num_tokens / elapsed_s)
        return found

    def cpu_seconds(self) -> dict[str, float]:
        """Return the CPU time that each process has used so far."""
        words = self._processes.items()
        return {name: cpu_seconds(pids_of(word) if word else [os.getpid()]) for name, word in words}

    def note_cpu(
        self, start: dict[str, float], middle: dict[str, float], end: dict[str, float], *, num_tokens: int
    ) -> None:
        """Note the CPU time of the bare loop, which ran first, and of our processes, which ran then."""
        own = 1000 * (middle["clients"] - start["clients"]) / num_tokens
        self.cpu_ms.setdefault("bare", []).append(own)
        for name in self._processes:
            self.cpu_ms.setdefault(name, []).append(1000 * (end[name] - middle[name]) / num_tokens)

    def ratios(self, ours: str, theirs: str) -> list[float]:
        """Return one side's rate as a share of another's, round for round."""
        return ratios_of(self.rates[ours], self.rates[theirs])

    def told(self, peer: str) -> list[str]:
        """Return the rates of the clients and of a peer as text."""
        others = self.ratios("whole", peer)
        return [
            f"ratio     {spread(self.ratios('streamed', peer))}; not streamed {statistics.median(others):.2f}",
            f"streamed  {spread(self.rates['streamed'], '.1f')} tokens/s",
            f"whole     {spread(self.rates['whole'], '.1f')} tokens/s: the same clients, not streamed",
            f"the other {spread(self.rates[peer], '.1f')} tokens/s",
        ]

    def cpu_told(self) -> list[str]:
        """Return the CPU time as text."""
        medians = {name: statistics.median(ms) for name, ms in self.cpu_ms.items()}
        bare = medians.pop("bare")
        spent = ", ".join(f"{name} {ms:.2f}" for name, ms in medians.items())
        return [
            f"CPU time  {bare / sum(medians.values()):.2f} as a ratio: the bare loop's to that of all our processes",
            f"CPU ms a token: {spent}; bare {bare:.2f}",
        ]
