"""Windows of time, and whether a worker was full in them: jobs waited in it, or for it, all the time."""

from collections.abc import Collection, Mapping
from typing import NamedTuple

LEAST_S = 1.0
"""Length of a window of a full worker. In less, one call more or less would matter."""


class Totals(NamedTuple):
    """What was done on a model: since the worker started, or in a window."""

    num_jobs: float = 0
    """That have ended."""
    num_rows: float = 0
    tokens_in: float = 0
    token_pairs: float = 0
    tokens_out: float = 0
    read_s: float = 0.0
    """Time of the calls that read rows."""
    write_s: float = 0.0
    """Time of the steps that decode tokens."""

    def since(self, before: "Totals") -> "Totals":
        """Return what was done since then."""
        return Totals(*(now - then for now, then in zip(self, before, strict=True)))


class Window(NamedTuple):
    """What was done in a time."""

    length_s: float
    done: Mapping[str, Totals]
    """By model."""
    taking_s: float
    """CPU time that was needed to take jobs from the store and to record their ends."""
    is_full: bool = True
    """Whether the worker was full all the time."""

    def part_of(self, models: Collection[str]) -> "Window":
        """Return the part of the window that these models had, by the time of their calls."""
        calls_s = {model: done.read_s + done.write_s for model, done in self.done.items()}
        theirs = sum(calls_s[model] for model in calls_s if model in models) / (sum(calls_s.values()) or 1.0)
        done = {model: total for model, total in self.done.items() if model in models}
        return Window(theirs * self.length_s, done, theirs * self.taking_s)


class Fullness:
    """Whether jobs wait. One thread notes it, another one asks."""

    def __init__(self) -> None:
        self._now = self._always = False

    def note(self, is_full: bool) -> None:
        """Note whether a job waits now that nobody works on."""
        self._now = is_full
        self._always = self._always and is_full

    def since_last(self) -> bool:
        """Return whether one has waited ever since this was last asked."""
        always, self._always = self._always, self._now
        return always and self._now


class Windows:
    """Cuts time into windows. One thread looks at it now and then, several times a second or once in several.

    Args:
        now: seconds by a clock that is not set.
    """

    def __init__(self, now: float) -> None:
        self._started_at = now
        self._before: dict[str, Totals] = {}
        self._taking_s = 0.0

    def look(self, now: float, is_full: bool, totals: Mapping[str, Totals], taking_s: float) -> Window | None:
        """Return the window that ends now, if one does.

        Args:
            now: by the same clock.
            is_full: whether the worker was full ever since this was last called.
            totals: what was done so far, by model.
            taking_s: as in ``Window``, so far.
        """
        done = {model: total.since(self._before.get(model, Totals())) for model, total in totals.items()}
        length_s = now - self._started_at
        has_done = any(total.num_rows or total.tokens_in or total.tokens_out for total in done.values())
        if is_full and (length_s < LEAST_S or not has_done):  # a long call counts when it ends
            return None
        window = Window(length_s, done, taking_s - self._taking_s, is_full)
        self._started_at, self._before, self._taking_s = now, dict(totals), taking_s
        return window if has_done else None
