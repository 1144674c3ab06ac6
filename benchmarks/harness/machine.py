"""The machine that a figure was measured on: hardware, load of other processes, CPU time and memory of processes."""

import os
import platform
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import psutil

NUM_CORES = 2
"""The targets are stated for two cores."""
QUIET = 0.1
"""Share of the cores that other processes may use before a ratio of two times is worth little."""
_OF_A_PROCESS = 2
"""Makes Linux's number of a process's CPU clock from the process's id, as ``clock_getcpuclockid`` does."""


@dataclass(frozen=True)
class Hardware:
    """What a reader must know before comparing a figure with one of another machine."""

    cpu: str
    num_cores: int
    num_cores_used: int
    memory_gb: float
    system: str

    @classmethod
    def read(cls) -> "Hardware":
        """Return the hardware of this machine."""
        return cls(
            cpu=_cpu_model(),
            num_cores=os.cpu_count() or 1,
            num_cores_used=len(os.sched_getaffinity(0)),
            memory_gb=round(psutil.virtual_memory().total / 1e9, 1),
            system=f"{platform.system()} {platform.release()} {platform.machine()}",
        )

    def __str__(self) -> str:
        cores = f"{self.num_cores_used} of {self.num_cores} cores"
        return f"{self.cpu}, {cores}, {self.memory_gb:g} GB memory, {self.system}"


def use_two_cores() -> None:
    """Limit this process, and all that it starts from now on, to two cores, so that machines can be compared."""
    # By affinity, which children inherit, and by which workers choose their number of threads.
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:NUM_CORES])


def load_averages() -> str:
    """Return the load averages as text."""
    return "load average " + " ".join(f"{average:.1f}" for average in os.getloadavg())


class OtherLoad:
    """How much of the cores other processes used since this object was made.

    A ratio inside one run cancels what is slow all the time. It can't cancel a process that comes and goes.
    """

    def __init__(self) -> None:
        self._started = time.monotonic()
        self._others = _cpu_seconds_of_all() - cpu_seconds()

    def share(self) -> float:
        """Return the share of the machine's cores, 0 to 1; time that a hypervisor took is part of it."""
        others_s = _cpu_seconds_of_all() - cpu_seconds() - self._others
        return max(0.0, others_s / (time.monotonic() - self._started) / (os.cpu_count() or 1))

    def __str__(self) -> str:
        share = self.share()
        advice = ": too much to trust a ratio of times" if share > QUIET else ""
        return f"{load_averages()}; other processes used {100 * share:.0f} % of all cores meanwhile{advice}"


def cpu_seconds(pids: Iterable[int] | None = None) -> float:
    """Return the CPU time that processes have used so far; by default this process and its descendants."""
    total = 0.0
    for pid in with_descendants(os.getpid()) if pids is None else pids:
        try:
            # The clock of a process counts nanoseconds, and its times in /proc only hundredths of a second.
            own_s = time.clock_gettime(~pid << 3 | _OF_A_PROCESS)
            total += own_s + sum(psutil.Process(pid).cpu_times()[2:4])  # user and system of children that ended
        except (OSError, psutil.NoSuchProcess):
            continue
    return total


def pids_of(word: str) -> list[int]:
    """Return the ids of children with ``word`` in their command line, and of their descendants."""
    # Only our own children: another stack on this machine has processes with the same names.
    heads = [child for child in psutil.Process().children() if word in " ".join(child.cmdline())]
    return [pid for head in heads for pid in with_descendants(head.pid)]


def resident_mb(pids: Iterable[int]) -> tuple[float, float]:
    """Return the resident memory of processes in MB (10^6 bytes): their PSS, and the sum of their RSS.

    RSS counts a page once for each process that shares it; PSS divides it among them.
    """
    pss = rss = 0
    for pid in pids:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            name, _, rest = line.partition(":")
            if name in {"Pss", "Rss"}:
                amount = 1024 * int(rest.split()[0])
                pss, rss = (pss + amount, rss) if name == "Pss" else (pss, rss + amount)
    return pss / 1e6, rss / 1e6


def with_descendants(pid: int) -> list[int]:
    """Return the ids of a process and of all its descendants."""
    return [pid, *(child.pid for child in psutil.Process(pid).children(recursive=True))]


def _cpu_model() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or "unknown CPU"


def _cpu_seconds_of_all() -> float:
    times = psutil.cpu_times()
    # Without guest times, which Linux has included in user and nice already.
    return float(times.user + times.nice + times.system + times.irq + times.softirq + times.steal)
