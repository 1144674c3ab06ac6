"""What the kernel gives this process: CPUs and memory, by the limits of its container (cgroup v2 and v1)."""

import math
import os
from pathlib import Path

CGROUP = Path("/sys/fs/cgroup")
_UNLIMITED_BYTES = 2**60
"""cgroup v1 writes "no limit" as a number of about 2**63."""


def available_cpus(cgroup: Path = CGROUP) -> int:
    """Return how many whole CPUs the cgroup's quota and the process's affinity allow, at least 1.

    Reads cgroup v2 (``cpu.max``) and v1 (``cpu.cfs_quota_us``).
    """
    affinity = len(os.sched_getaffinity(0))
    # A quota of 2.5 CPUs counts as 2: a third thread would run half of the time, and the others would wait for it.
    return max(1, min(affinity, math.floor(_quota(cgroup) or affinity)))


def memory_limit_bytes(cgroup: Path = CGROUP) -> int:
    """Return how much memory the processes of this container may use: its cgroup's limit, else the machine's memory.

    Reads cgroup v2 (``memory.max``) and v1 (``memory.limit_in_bytes``).
    """
    machine = _machine_bytes()
    for path in (cgroup / "memory.max", cgroup / "memory" / "memory.limit_in_bytes"):
        try:
            text = path.read_text().strip()
        except OSError:
            continue
        if text.isdecimal() and int(text) < _UNLIMITED_BYTES:
            return min(machine, int(text))
    return machine


def share_of_memory(cgroup: Path = CGROUP) -> int:
    """Return how many bytes a worker may take by itself: most of its container, or a quarter of a machine.

    A machine without containers runs a worker of each family, a gateway and a store.
    """
    machine, limit = _machine_bytes(), memory_limit_bytes(cgroup)
    return limit * 9 // 10 if limit < machine else machine // 4


def _machine_bytes() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _quota(cgroup: Path) -> float | None:
    try:
        quota, period = (cgroup / "cpu.max").read_text().split()
    except (OSError, ValueError):
        try:
            quota = (cgroup / "cpu" / "cpu.cfs_quota_us").read_text().strip()
            period = (cgroup / "cpu" / "cpu.cfs_period_us").read_text().strip()
        except OSError:
            return None
    if not (quota.isdecimal() and period.isdecimal()):  # "max" or "-1": no quota
        return None
    return int(quota) / max(1, int(period))
