"""Lets the metrics of all processes of a gateway add up: each process counts in files of its own in one folder.

This is prometheus_client's multiprocess mode, with the number of a slot in the place of a process id: a process that
takes over the slot of a dead one goes on in its files, so counters never fall and files don't pile up.
"""

import os

from prometheus_client import values
from prometheus_client.multiprocess import mark_process_dead


def count_in(folder: str, slot: int) -> None:
    """Let the metrics that this process makes from now on count in the files of a slot."""
    # The library takes its folder from here and from nowhere else.
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = folder  # noqa: TID251
    values.ValueClass = values.MultiProcessValue(lambda: slot)  # type: ignore[no-untyped-call]


def forget_gauges_of(folder: str, slot: int) -> None:
    """Remove what the process of a slot that has ended said of its present state; what it counted stays."""
    mark_process_dead(slot, folder)  # type: ignore[no-untyped-call]
