"""Stop strings: found wherever they occur in a growing text, and never shown, not even in part."""

from collections.abc import Sequence


class StopStringMatcher:
    """Cuts a growing text where the first stop string is complete.

    The result does not depend on how the text is split into tokens: it is as if the text came character by character.
    The text ends at the first character that completes a stop string; if it completes several, the longest counts. The
    stop string and everything after it are dropped. Text that may still become a stop string is held back, and no more
    than that.
    """

    def __init__(self, stop_strings: Sequence[str]) -> None:
        self.stopped = False
        self._stop_strings = stop_strings
        self._held_back = ""

    def add(self, text: str) -> str:
        """Append to the text; return what may be shown now."""
        if self.stopped or not text:
            return ""
        if not self._stop_strings:
            return text
        text = self._held_back + text
        start = self._start_of_match(text)
        self.stopped = start is not None
        shown = text[: self._start_of_partial_match(text) if start is None else start]
        self._held_back = "" if self.stopped else text[len(shown) :]
        return shown

    def end(self) -> str:
        """Return what was held back: the text ends here without a stop string."""
        held_back, self._held_back = self._held_back, ""
        return held_back

    def _start_of_match(self, text: str) -> int | None:
        """Return the start of the stop string that is complete first, or None."""
        spans = ((start, start + len(stop)) for stop in self._stop_strings if (start := text.find(stop)) != -1)
        first = min(spans, key=lambda span: (span[1], span[0]), default=None)
        return first[0] if first else None

    def _start_of_partial_match(self, text: str) -> int:
        """Return the start of the longest suffix that is a prefix of a stop string; without one, the text's end."""
        longest = len(text)
        for stop in self._stop_strings:
            # One character less than the stop string at most: a whole one would have been found before.
            start = text.find(stop[0], max(0, len(text) - len(stop) + 1), longest)
            while start != -1:
                if stop.startswith(text[start:]):
                    longest = start
                    break
                start = text.find(stop[0], start + 1, longest)
        return longest
