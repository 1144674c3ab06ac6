"""An engine as the rest of a worker sees it."""

from collections.abc import Callable, Collection
from typing import Any, Protocol

from contracts.jobs import Flow
from workers.runtime.engine.figures import EngineFigures

NoteCall = Callable[[Collection[str]], None]
"""Gets the ids of the jobs whose rows the next model call works on, and none of them once no call runs.

If the process dies in the call, these jobs are the first to be blamed (docs/decisions/0003). It must be cheap.
"""


def note_nothing(job_ids: Collection[str]) -> None:
    """Do nothing: for engines of processes in which nobody asks who is to blame."""


class Engine(Protocol):
    """Runs requests of many jobs on loaded models, in one inference thread of its own. Safe to use from any thread.

    ``submit(model, items, attempt, ...)`` returns a `RequestHandle`; its items and results differ by engine.
    """

    def cancel(self, handle: Any) -> None:
        """Drop the items of a request that have not run yet; without effect on a finished request."""
        ...

    def num_wanted(self) -> int:
        """Return how many more jobs have use here now. The others are better left where other workers find them."""
        ...

    def waiting_flows(self) -> set[Flow]:
        """Return the flows of which something waits here until there is room in a model call."""
        ...

    def when_wanted(self, call: Callable[[], None]) -> None:
        """Set what is called when the engine wants jobs again, by its inference thread. It must be cheap."""
        ...

    def figures(self) -> EngineFigures:
        """Return what the engine has done since it started."""
        ...
