"""An engine as the rest of a worker sees it."""

from typing import Any, Protocol

from workers.runtime.engine.figures import EngineFigures


class Engine(Protocol):
    """Runs requests of many jobs on loaded models, in one inference thread of its own. Safe to use from any thread.

    ``submit(model, items, attempt, ...)`` returns a `RequestHandle`; its items and results differ by engine.
    """

    def cancel(self, handle: Any) -> None:
        """Drop the items of a request that have not run yet; without effect on a finished request."""
        ...

    def figures(self) -> EngineFigures:
        """Return what the engine has done since it started."""
        ...
