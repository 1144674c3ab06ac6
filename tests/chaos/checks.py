"""What must be true when the faults are over: of each job that was accepted, and of the store."""

from collections import Counter
from collections.abc import Iterator

import redis

from contracts.jobs import TERMINAL
from tests.chaos.calls import ENDS, Event, Lost, Response, call, stream
from tests.chaos.follow import check_events
from tests.chaos.ledger import Entry, Ledger
from tests.chaos.stack import Stack
from tests.redis.records.test_keys import row_of
from tests.support.waiting import wait_until

P = "triptych:"
CLEAN_WITHIN_S = 60.0
"""After the last client is served: leases of jobs that nobody waits for may have to run out."""


def check_everything(stack: Stack, ledger: Ledger) -> None:
    """Note in the ledger what is wrong."""
    operator = redis.Redis(port=stack.store.port, socket_timeout=30)
    _check_store(stack, ledger, operator)
    for entry in ledger.accepted:
        _check_entry(stack, entry)
    _check_listing(stack, ledger)
    _check_log(stack, ledger)
    _check_counts(stack, ledger, operator)


def leftovers(operator: redis.Redis) -> list[str]:
    """Return what the store should not hold while no job is unfinished."""
    found = []
    for key in ("active", "due", "broken"):
        if operator.exists(f"{P}{key}"):
            kind = operator.hgetall if key == "active" else lambda name: operator.zrange(name, 0, 5, withscores=True)
            found.append(f"{key}: {kind(f'{P}{key}')}")
    found += [f"{key.decode()} is left" for key in operator.scan_iter(f"{P}group:*", count=1000)]
    for key in operator.scan_iter(f"{P}waiting:*", count=1000):
        found.append(f"{key.decode()}: {operator.zrange(key, 0, 5, withscores=True)}")
    for kind in ("tenants", "tags", "flows", "shares"):
        found += [f"{key.decode()} is left" for key in operator.scan_iter(f"{P}{kind}:*", count=1000)]
    for key in operator.scan_iter("triptych.*", count=1000, _type="list"):
        if (length := operator.llen(key)) > 1:
            found.append(f"{length} messages in {key.decode()}")
    for job_id in records(operator):
        if (status := operator.hget(f"{P}job:{job_id}", "status")) is None or status.decode() not in TERMINAL:
            found.append(f"job {job_id} is {status}")
    return found


def records(operator: redis.Redis) -> list[str]:
    """Return the ids of all jobs in the store."""
    return [key.decode().removeprefix(f"{P}job:") for key in operator.scan_iter(f"{P}job:*", count=1000)]


def _check_store(stack: Stack, ledger: Ledger, operator: redis.Redis) -> None:
    try:
        wait_until(lambda: not leftovers(operator), "", CLEAN_WITHIN_S)
    except AssertionError:
        for text in leftovers(operator):
            ledger.problem(f"left in the store: {text}")
    ids = set(records(operator))
    for name in ("expiring", *(key.decode().removeprefix(P) for key in operator.scan_iter(f"{P}jobs:*"))):
        listed = {member.decode() for member in operator.zrange(f"{P}{name}", 0, -1)}
        if listed != ids:
            ledger.problem(f"{name} and the records differ: {list(listed ^ ids)[:5]}")
    for problem in sorted(_unknown_keys(operator)):
        ledger.problem(problem)
    for process in stack.left_behind():
        ledger.problem(f"left running: {process}")


def _unknown_keys(operator: redis.Redis) -> Iterator[str]:
    """Yield what differs from the table of keys."""
    for key in operator.scan_iter(count=1000):
        try:
            row = row_of(key.decode())
        except AssertionError as error:
            yield str(error)
            continue
        if (kind := operator.type(key).decode()) not in (row.type, "none"):
            yield f"{key.decode()} is a {kind}, by the table a {row.type}"
        elif row.has_ttl and operator.ttl(key) == -1:
            yield f"{key.decode()} has no TTL"


def _check_entry(stack: Stack, entry: Entry) -> None:
    """Read a job once more, and its events from the beginning."""
    try:
        answers = [call(url, "GET", f"/v1/jobs/{entry.job_id}") for url in stack.urls]
        with stream(stack.urls[0], "GET", f"/v1/jobs/{entry.job_id}/events") as answer:
            events: list[Event] = list(answer.data) if answer.is_stream else []
            _check_reads(entry, [*answers, answer], events)
    except Lost as error:
        entry.problem(f"at the end: {error}")


def _check_reads(entry: Entry, answers: list[Response], events: list[Event]) -> None:
    statuses = {answer.status for answer in answers}
    if entry.deleted:
        if statuses != {410}:
            entry.problem(f"at the end: a deleted job answers {statuses}")
    elif 410 in statuses and statuses <= {200, 410} and entry.may_go and entry.answered:
        pass  # its client has the answer, and it is forgotten by now, or between two of these reads
    elif statuses != {200}:
        entry.problem(f"at the end: it answers {statuses}")
    else:
        for answer in answers[:-1]:
            if answer.data["status"] not in ENDS:
                entry.problem(f"at the end: it is {answer.data['status']}")
                return
            entry.check_end(answer.data, "at the end")
        check_events(entry, events, "events at the end")


def _check_listing(stack: Stack, ledger: Ledger) -> None:
    """Check that all jobs are listed once."""
    listed: list[str] = []
    cursor = ""
    while True:
        page = call(stack.urls[1], "GET", f"/v1/jobs?limit=100{cursor}").data
        listed += [job["id"] for job in page["data"]]
        if not page["next_cursor"]:
            break
        cursor = f"&cursor={page['next_cursor']}"
    if len(set(listed)) != len(listed):
        ledger.problem("a job is listed twice")
    known = set(listed)
    for entry in ledger.accepted:
        if (entry.job_id in known) == entry.deleted and not entry.may_go:
            entry.problem("at the end: it is listed" if entry.deleted else "at the end: it is not listed")


def _ended(stack: Stack) -> Iterator[str]:
    for line in stack.log_lines("job ended"):
        yield str(line["job_id"])


def _check_log(stack: Stack, ledger: Ledger) -> None:
    """Check that no job has ended twice: the process that ends one logs it."""
    entries = {entry.job_id: entry for entry in ledger.accepted}
    for job_id, count in Counter(_ended(stack)).items():
        if count > 1:
            text = f"it has ended {count} times by the log"
            entries[job_id].problem(text) if job_id in entries else ledger.problem(f"{job_id}: {text}")


def _check_counts(stack: Stack, ledger: Ledger, operator: redis.Redis) -> None:
    """Check that as many ends were counted as there were jobs. Some jobs may be known to no client, nor to a log."""
    known = {entry.job_id for entry in ledger.accepted} | set(_ended(stack)) | set(records(operator))
    counted = sum(map(int, operator.hvals(f"{P}finished")))
    unknown = ledger.counts["requests lost in transit"] + ledger.counts["clients that left"]
    if not len(known) <= counted <= len(known) + unknown:
        ledger.problem(f"{counted} ends were counted, {len(known)} jobs are known")
