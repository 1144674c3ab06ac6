"""One case as a row of the table: what it cost, what another client felt, and whether that is within its limits."""

from collections.abc import Iterable
from dataclasses import dataclass

COLUMNS = ("case", "CPU s", "delay ms", "idle ms", "memory MB", "verdict", "outcome")


@dataclass(frozen=True)
class Limits:
    """What a case may cost; None where it has no limit."""

    delay_ms: float | None = 100.0
    """Longest request of another client, beyond the longest one on the idle stack."""
    memory_mb: float | None = None
    cpu_s: float | None = None


@dataclass(frozen=True)
class Cost:
    """What was measured. Memory is the growth of the processes' RSS at its peak, in MB of 10^6 bytes."""

    cpu_s: float
    delay_ms: float
    idle_ms: float
    memory_mb: float


@dataclass(frozen=True)
class Row:
    """One case. ``outcome`` says what the attacker got."""

    case: str
    outcome: str
    cost: Cost
    limits: Limits

    @property
    def broken(self) -> list[str]:
        """The names of the limits that this run exceeded."""
        pairs = {
            "delay": (self.cost.delay_ms - self.cost.idle_ms, self.limits.delay_ms),
            "memory": (self.cost.memory_mb, self.limits.memory_mb),
            "CPU": (self.cost.cpu_s, self.limits.cpu_s),
        }
        return [name for name, (value, limit) in pairs.items() if limit is not None and value > limit]

    def cells(self) -> tuple[str, ...]:
        """Return the row as text, in the order of ``COLUMNS``."""
        cost = self.cost
        numbers = (f"{cost.cpu_s:.2f}", f"{cost.delay_ms:.0f}", f"{cost.idle_ms:.0f}", f"{cost.memory_mb:.0f}")
        verdict = "EXCEEDED: " + ", ".join(self.broken) if self.broken else "within"
        return (self.case, *numbers, verdict, self.outcome)


def table(rows: Iterable[Row]) -> str:
    """Return the rows as a table in Markdown."""
    lines = [COLUMNS, ("---", *["--:"] * 4, "---", "---"), *(row.cells() for row in rows)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
