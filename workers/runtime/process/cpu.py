"""How many CPUs this process may use.

ONNX Runtime counts the cores of the host and ignores the quota of the container (onnxruntime#29510). It would start
threads that compete for CPU time which the kernel does not give them.
"""

import math
import os
from pathlib import Path


def available_cpus(cgroup: Path = Path("/sys/fs/cgroup")) -> int:
    """Return how many whole CPUs the cgroup's quota and the process's affinity allow, at least 1.

    Reads cgroup v2 (``cpu.max``) and v1 (``cpu.cfs_quota_us``).
    """
    affinity = len(os.sched_getaffinity(0))
    # A quota of 2.5 CPUs counts as 2: a third thread would run half of the time, and the others would wait for it.
    return max(1, min(affinity, math.floor(_quota(cgroup) or affinity)))


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
