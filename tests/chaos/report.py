"""What a run prints at its end, and all that is known of the jobs that went wrong."""

from collections import Counter
from datetime import UTC, datetime
from typing import Any

import redis

from tests.chaos.faults import MAX_STEP_S, Faults
from tests.chaos.ledger import Entry, Ledger
from tests.chaos.stack import Stack

MAX_NAMED = 12
MAX_LONGEST = 5
P = "triptych:"


def summary(ledger: Ledger, faults: Faults, seed: int, length_s: float) -> str:
    """Return the report of a run."""
    seen = [entry.seen for entry in ledger.accepted if entry.seen]
    # Between a step of the store's clock and its correction, an end is noted in the wrong time.
    timed = [job for job in seen if 0 <= _seconds(job) < MAX_STEP_S]
    durations = sorted(_seconds(job) for job in timed if job["status"] == "succeeded")
    ends = Counter((entry.request.task, entry.seen["status"]) for entry in ledger.accepted if entry.seen)
    wrong = sum(bool(entry.problems) for entry in ledger.entries)
    lines = [
        f"seed {seed}, {length_s:g} s: {len(ledger.accepted)} jobs, {len(faults.happened)} faults",
        *(f"  {task:10} {status:10} {count:6}" for (task, status), count in sorted(ends.items())),
        "clients: " + ", ".join(f"{kind} {n}" for kind, n in sorted(Counter(e.kind for e in ledger.accepted).items())),
        "faults: " + ", ".join(f"{kind} {count}" for kind, count in sorted(faults.by_kind.items())),
        f"jobs that were started again: {sum(job['attempt'] > 1 for job in seen)}, most attempts: "
        f"{max((job['attempt'] for job in seen), default=0)}",
        ", ".join(f"{what}: {count}" for what, count in sorted(ledger.counts.items())),
    ]
    if durations:
        p50, p95 = (durations[int(share * (len(durations) - 1))] for share in (0.5, 0.95))
        lines.append(f"seconds from submit to success: p50 {p50:.2f}, p95 {p95:.2f}, longest {durations[-1]:.2f}")
        lines += [
            f"  {_seconds(job):6.2f} s, attempt {job['attempt']}: {job['id']}, {job['task']}, from {job['created_at']}"
            for job in sorted(timed, key=_seconds)[-MAX_LONGEST:]
        ]
    lines.append(f"wrong: {wrong} jobs, {len(ledger.problems)} other problems")
    return "\n".join(lines)


def details(ledger: Ledger, faults: Faults, stack: Stack) -> str:
    """Return what is known of what went wrong: records, events, what the clients saw, and the faults in between."""
    operator = redis.Redis(port=stack.store.port, socket_timeout=10)
    wrong = [entry for entry in ledger.entries if entry.problems]
    lines = [*ledger.problems[: 3 * MAX_NAMED], ""]
    for entry in wrong[:MAX_NAMED]:
        lines += [*_details(entry, operator), *_errors(entry, stack), ""]
    if len(wrong) > MAX_NAMED:
        lines.append("and " + " ".join(entry.job_id for entry in wrong[MAX_NAMED:]))
    return "\n".join([*lines, "faults:", fault_log(faults)])


def fault_log(faults: Faults) -> str:
    """Return all faults in the order in which they happened."""
    return "\n".join(
        f"{datetime.fromtimestamp(fault.at, UTC):%H:%M:%S.%f} {fault.kind}: {fault.target} {fault.seconds:.1f} s"
        for fault in faults.happened
    )


def _details(entry: Entry, operator: redis.Redis) -> list[str]:
    request = f"{entry.request.task} {str(entry.request.inputs)[:60]!r}"
    lines = [f"job {entry.job_id or '(not accepted)'}: {entry.kind}, {request}"]
    lines += [f"  wrong: {problem}" for problem in entry.problems]
    record = operator.hgetall(f"{P}job:{entry.job_id}")
    lines += [f"  record: {name.decode()} = {value[:150].decode(errors='replace')}" for name, value in record.items()]
    events = operator.xrange(f"{P}events:{entry.job_id}")
    shown = [*events[:6], *events[-6:]] if len(events) > 12 else events
    lines += [f"  event: {event_id.decode()} {str(fields)[:150]}" for event_id, fields in shown]
    return lines + [f"  client: {line}" for line in entry.history[-30:]]


def _errors(entry: Entry, stack: Stack) -> list[str]:
    """Return what the processes of the stack have logged of a job's errors."""
    found = stack.errors_of(entry.job_id) if entry.job_id else iter(())
    return [f"  {line['process']}: {line['message']}\n{line.get('traceback', '')}" for line in found][:MAX_NAMED]


def _seconds(job: dict[str, Any]) -> float:
    created, completed = (datetime.fromisoformat(job[name]) for name in ("created_at", "completed_at"))
    return (completed - created).total_seconds()
