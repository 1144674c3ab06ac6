"""Measures what each call of a script costs the server: commands, and the time for which it serves nobody else."""

import statistics
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import pytest
import redis

from contracts.store.scripts import JobScript

MAX_COMMANDS, MAX_MS = 500, 10.0
"""Of one call of a script."""
_NOT_IN_SCRIPTS = {"cmdstat_evalsha", "cmdstat_eval", "cmdstat_info", "cmdstat_config|resetstat", "cmdstat_script|load"}


class Call(NamedTuple):
    """One call: commands inside of the script, the server's CPU time for it, and the time for which it ran."""

    num_commands: int
    cpu_ms: float
    wall_ms: float


class Cost(NamedTuple):
    """The calls of one kind: most commands, and of the times the median and the longest.

    The longest wall time says more of what else runs on the machine than of the call.
    """

    name: str
    num_calls: int
    max_commands: int
    cpu_ms: float
    longest_cpu_ms: float
    wall_ms: float
    longest_wall_ms: float

    def __str__(self) -> str:
        times = f"{self.cpu_ms:8.2f}{self.longest_cpu_ms:9.2f}{self.wall_ms:9.2f}{self.longest_wall_ms:9.2f}"
        return f"{self.name:<44}{self.num_calls:>6}{self.max_commands:>10}{times}"


HEAD = f"{'':<44}{'calls':>6}{'commands':>10}{'CPU ms':>8}{'longest':>9}{'wall ms':>9}{'longest':>9}"


class Meter:
    """Counts every call of a script within ``measure``."""

    def __init__(self, client: "redis.Redis") -> None:
        self._client = client
        self._calls: dict[str, list[Call]] = {}
        self._overhead_ms = statistics.median(self._own_cpu_ms() for _ in range(20))

    def costs(self) -> list[Cost]:
        """Return what the calls of each kind cost, in the order in which they were measured first."""
        found = []
        for name, calls in self._calls.items():
            walls = [call.wall_ms for call in calls]
            cpus = [call.cpu_ms for call in calls]
            most = max(call.num_commands for call in calls)
            times = (statistics.median(cpus), max(cpus), statistics.median(walls), max(walls))
            found.append(Cost(name, len(calls), most, *times))
        return found

    @contextmanager
    def measure(self, name: str) -> Iterator[None]:
        """Measure each script that is called within the block."""
        calls, run = self._calls.setdefault(name, []), JobScript.__call__

        def measured(script: JobScript, args: Sequence[Any]) -> Any:
            self._client.config_resetstat()
            before_ms = self._cpu_ms()
            reply = run(script, args)
            cpu_ms = self._cpu_ms() - before_ms - self._overhead_ms
            stats = self._client.info("commandstats")
            num_commands = sum(row["calls"] for command, row in stats.items() if command not in _NOT_IN_SCRIPTS)
            calls.append(Call(num_commands, max(0.0, cpu_ms), stats["cmdstat_evalsha"]["usec"] / 1000))
            return reply

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(JobScript, "__call__", measured)
            yield

    @contextmanager
    def measure_plain(self, name: str) -> Iterator[None]:
        """Measure the longest of the plain commands within the block: the server serves others between them."""
        self._client.config_resetstat()
        yield
        stats = self._client.info("commandstats")
        longest_ms = max(stats[command]["usec_per_call"] for command in stats.keys() - _NOT_IN_SCRIPTS) / 1000
        self._calls.setdefault(name, []).append(Call(1, longest_ms, longest_ms))

    def _own_cpu_ms(self) -> float:
        before_ms = self._cpu_ms()
        return self._cpu_ms() - before_ms

    def _cpu_ms(self) -> float:
        used = self._client.info("cpu")
        return 1000 * float(used["used_cpu_user_main_thread"] + used["used_cpu_sys_main_thread"])
