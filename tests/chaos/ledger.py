"""What clients were promised, and what they have seen since: the list that is checked at the end."""

import threading
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from tests.chaos.catalogue import Request, essence, same


@dataclass
class Entry:
    """One job that a client asks for."""

    request: Request
    expected: Any
    kind: str
    """How the client behaves."""
    ends: set[str]
    """The ends that are right; a cancel adds one."""
    job_id: str = ""
    """Empty until the job is accepted."""
    streamed: bool = False
    deleted: bool = False
    may_go: bool = False
    """Whether the job has no `ttl_s` and no key, so that it may be purged soon after its client has the answer."""
    lost: bool = False
    """Whether a response went astray, which may have been the answer."""
    seen: dict[str, Any] | None = None
    """The finished job, as the client has seen it first."""
    answered: bool = False
    """Whether the client has the answer, from whatever route."""
    problems: list[str] = field(default_factory=list)
    history: list[str] = field(default_factory=list)

    def note(self, text: str) -> None:
        """Remember what happened, for the report of a failed run."""
        self.history.append(f"{datetime.now(UTC):%H:%M:%S.%f} {text[:200]}")

    def problem(self, text: str) -> None:
        """Remember what is wrong with this job."""
        self.note(f"WRONG: {text}")
        self.problems.append(text)

    def check_answer(self, output: Any, where: str) -> None:
        """Compare an answer with the right one."""
        self.answered = True
        if not same(essence(output), self.expected):
            self.problem(f"{where}: answer {essence(output)!r:.300} instead of {self.expected!r:.300}")

    def check_end(self, job: dict[str, Any], where: str) -> None:
        """Check a finished job, and that it is the same each time that it is seen."""
        if job["status"] not in self.ends:
            self.problem(f"{where}: it ended {job['status']} ({job['error']}), expected {sorted(self.ends)}")
        if job["status"] == "succeeded":
            self.check_answer(job["output"], where)
        first, self.seen = self.seen or job, self.seen or job
        self.answered = True
        for name in ("status", "output", "attempt", "completed_at", "error"):
            if job[name] != first[name]:
                self.problem(f"{where}: {name} was {first[name]!r:.200} and is now {job[name]!r:.200}")


class Ledger:
    """All entries, and how often something happened. Clients share it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.entries: list[Entry] = []
        self.problems: list[str] = []
        """Of no job in particular."""
        self.counts: Counter[str] = Counter()

    def add(self, entry: Entry) -> None:
        """Note that a client asks for a job."""
        with self._lock:
            self.entries.append(entry)

    def count(self, what: str) -> None:
        """Count something that the report names."""
        with self._lock:
            self.counts[what] += 1

    def problem(self, text: str) -> None:
        """Note a fault of no job in particular."""
        with self._lock:
            self.problems.append(text)

    @property
    def accepted(self) -> list[Entry]:
        """The jobs whose ids clients have."""
        return [entry for entry in self.entries if entry.job_id]
