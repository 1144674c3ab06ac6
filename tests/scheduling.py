"""How pytest-xdist distributes tests over processes: tests of a file stay together, and so do those that export."""

import pytest
from xdist.scheduler import LoadScopeScheduling

EXPORTING = ("tests/exports/", "tests/parity/")
"""Folders whose tests share models that take half a minute to export."""
SPREAD = ("tests/architectures/test_parity.py",)
"""Long files whose tests share nothing."""
LONGEST_FIRST = ("chaos", "exports", "parity", "faults", "e2e", "deploy", "gateway")
"""Folders whose files take longest. They begin first, so that no process ends long after the others."""


class Scheduler(LoadScopeScheduling):  # type: ignore[misc]
    """Gives each process whole files, as ``--dist loadfile`` does, with the exceptions above."""

    def _split_scope(self, nodeid: str) -> str:
        if nodeid.startswith(EXPORTING):
            return "exports"
        return nodeid if nodeid.startswith(SPREAD) else nodeid.partition("::")[0]


def rank(item: pytest.Item) -> int:
    """Return the position of a test's folder in a run."""
    folder = item.nodeid.split("/")[1]
    return LONGEST_FIRST.index(folder) if folder in LONGEST_FIRST else len(LONGEST_FIRST)
