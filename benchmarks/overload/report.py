"""One line of the table: a figure on the idle system and under load, its bar, and whether it was met."""

import json
import statistics
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

COLUMNS = ("case", "what", "idle", "under load", "bar", "met")


@dataclass(frozen=True)
class Row:
    """One figure. Numbers that have no bar have ``bar`` empty and ``met`` None."""

    case: str
    what: str
    load: str
    idle: str = ""
    bar: str = ""
    met: bool | None = None

    def cells(self) -> tuple[str, ...]:
        """Return the row as text, in the order of ``COLUMNS``."""
        verdict = "" if self.met is None else "yes" if self.met else "NO"
        return (self.case, self.what, self.idle, self.load, self.bar, verdict)


def table(rows: Iterable[Row]) -> str:
    """Return the rows as a table in Markdown."""
    lines = [COLUMNS, ("---",) * len(COLUMNS), *(row.cells() for row in rows)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def verdict(rows: Iterable[Row]) -> str:
    """Return how many bars were met, in words."""
    judged = [row.met for row in rows if row.met is not None]
    return f"{sum(judged)} of {len(judged)} bars met" if judged else "no bars judged"


def percentile(values: Sequence[float], share: float) -> float:
    """Return a percentile as one of the values, the higher one of two; 0 for none."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0


def median(values: Sequence[float]) -> float:
    """Return the median; 0 for no values."""
    return statistics.median(values) if values else 0.0


def refusals(answers: Iterable[tuple[int, bytes]]) -> str:
    """Return how many of these responses have which status and error code, in words."""
    found = Counter(f"{status} {code_of(body)}".strip() if status else body.decode() for status, body in answers)
    return ", ".join(f"{number} x {what}" for what, number in found.most_common()) or "none"


def code_of(body: bytes) -> str:
    """Return the code of an error response, or an empty text."""
    try:
        return str(json.loads(body)["error"]["code"])
    except (ValueError, KeyError, TypeError):
        return ""
