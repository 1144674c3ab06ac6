"""How many CPUs this process may really use.

ONNX Runtime counts the host's cores and ignores the container's quota (onnxruntime#29510), which makes threads fight
for CPU time that the kernel does not give them.
"""

import math
import os
from pathlib import Path


def available_cpus(cgroup: Path = Path("/sys/fs/cgroup")) -> int:
    """Return the whole CPUs allowed by the cgroup's quota and this process's affinity, at least 1.

    Reads cgroup v2 (``cpu.max``) and v1 (``cpu.cfs_quota_us``); a quota of 2.5 CPUs counts as 2 threads, since a
    third would run half of the time while the others wait for it.
    """
    affinity = len(os.sched_getaffinity(0))
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
