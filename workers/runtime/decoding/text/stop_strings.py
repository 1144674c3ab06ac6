"""Stop texts: found wherever they appear in a growing text, and never shown, not even in part."""

from collections.abc import Sequence


class StopFinder:
    """A growing text that ends where a stop text is complete.

    It ends as if it came character by character, however it is cut into tokens: at the first character that completes
    a stop text; if it completes several, the longest of them counts. The stop text and all that follows are dropped.
    What could still become a stop text is held back, and no more than that.
    """

    def __init__(self, stops: Sequence[str]) -> None:
        self.stopped = False
        self._stops = stops
        self._held = ""

    def add(self, text: str) -> str:
        """Return what may be shown now that the text goes on with this."""
        if self.stopped or not text:
            return ""
        if not self._stops:
            return text
        text = self._held + text
        start = self._start_of_stop(text)
        self.stopped = start is not None
        shown = text[: self._start_of_hope(text) if start is None else start]
        self._held = "" if self.stopped else text[len(shown) :]
        return shown

    def end(self) -> str:
        """Return what was held back: the text goes on no more."""
        held, self._held = self._held, ""
        return held

    def _start_of_stop(self, text: str) -> int | None:
        """Return where the stop text begins that is complete first."""
        found = ((start, start + len(stop)) for stop in self._stops if (start := text.find(stop)) != -1)
        first = min(found, key=lambda span: (span[1], span[0]), default=None)
        return first[0] if first else None

    def _start_of_hope(self, text: str) -> int:
        """Return where the longest ending begins that a stop text begins with; none: the text's end."""
        hope = len(text)
        for stop in self._stops:
            start = text.find(stop[0], max(0, len(text) - len(stop) + 1), hope)
            while start != -1:
                if stop.startswith(text[start:]):
                    hope = start
                    break
                start = text.find(stop[0], start + 1, hope)
        return hope
