"""Case 4: what a waiting job's ``eta_s`` and ``Retry-After`` are worth while the queue keeps its length."""

import heapq
import itertools
import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from benchmarks.overload.clients.crowd import Answer, Crowd
from benchmarks.overload.deployment import Deployment, End
from benchmarks.overload.effort import Effort
from benchmarks.overload.mixes import KnownMix, known, written
from benchmarks.overload.report import Row, median, percentile

NUM_POLLERS = 8
"""Clients that poll as they are told."""
MOST_ERROR = 0.30
SETTLE = 0.2
"""Share of the time at its beginning in which jobs do not count: the queue is not full yet."""


@dataclass
class _Polled:
    """A job of a client that polls."""

    submitted_at: float
    job_id: str = ""
    eta_s: float | None = None
    num_polls: int = 0
    known_at: float = 0.0
    """When the client has seen that it has ended."""


@dataclass
class _Waiting:
    """A job of a client that waits."""


@dataclass
class _Watch:
    polled: list[_Polled] = field(default_factory=list)
    later: list[tuple[float, int, _Polled]] = field(default_factory=list)
    """When each polling client asks again; the number decides between equal times."""
    numbers: Iterator[int] = field(default_factory=itertools.count)


def measure(effort: Effort) -> Iterator[Row]:
    """Yield rows for the error of ``eta_s``, and for how late clients that poll by Retry-After have their answers."""
    with Deployment(("a",), ["decoder"]) as deployment:
        jobs = known(deployment, "a", written(effort.num_kinds))
        began = time.time()
        polled = _steady(deployment, jobs, effort)
        counted = [one for one in polled if one.submitted_at > began + SETTLE * effort.steady_s and one.known_at]
        ends = deployment.ends([one.job_id for one in counted])
    pairs = [(one, end) for one, end in zip(counted, ends, strict=True) if end.in_time]
    yield _errors(pairs)
    late_s = [one.known_at - end.completed_at for one, end in pairs]
    num_polls = sum(one.num_polls for one, _ in pairs) / max(1, len(pairs))
    what = "Retry-After: answer known so long after it was there, p50 / p95; polls a job"
    yield Row("eta", what, f"{median(late_s):.1f} / {percentile(late_s, 0.95):.1f} s; {num_polls:.1f} polls")


def _errors(pairs: Sequence[tuple[_Polled, End]]) -> Row:
    """Return the row of how far ``eta_s`` was from what the jobs then took."""
    what, bar = "eta_s against the time to the end, median of the relative errors", f"≤ {MOST_ERROR:.0%}"
    took = f"jobs took {median([end.took_s for _, end in pairs]):.1f} s (p50)"
    found = [(one.eta_s, end.took_s) for one, end in pairs if one.eta_s is not None]
    if not found:
        return Row("eta", what, f"no eta here; {took}", "", bar, False)
    errors = [abs(eta_s - took_s) / took_s for eta_s, took_s in found]
    bias_s = median([eta_s - took_s for eta_s, took_s in found])
    spread = f"p95 {percentile(errors, 0.95):.0%}, median of eta - true {bias_s:+.1f} s, {len(found)} jobs"
    return Row("eta", what, f"{median(errors):.0%} ({spread}); {took}", "", bar, median(errors) <= MOST_ERROR)


def _steady(deployment: Deployment, jobs: KnownMix, effort: Effort) -> list[_Polled]:
    """Keep the queue at its length for some time; return the jobs of the clients that poll."""
    submits = [deployment.submit("a", document) for document in jobs.documents]
    # In the lane of those that poll, or these would wait for nobody.
    lane = {"priority": "default"}
    if not deployment.knows("a", lane, jobs.documents[0]):
        lane = {}
    waits = [deployment.submit("a", {**document, **lane}, wait_s=60) for document in jobs.documents]
    numbers = map(jobs.at, itertools.count())
    watch, ends = _Watch(), time.monotonic() + effort.steady_s
    with Crowd(deployment.port) as crowd:
        for _ in range(effort.num_in_queue):
            crowd.send(waits[next(numbers)], _Waiting())
        for number in range(NUM_POLLERS):
            # Not all at once, or they would stay together.
            heapq.heappush(watch.later, (time.monotonic() + 0.2 * number, next(watch.numbers), _Polled(0.0)))
        while (now := time.monotonic()) < ends:
            while watch.later and watch.later[0][0] <= now:
                one = heapq.heappop(watch.later)[2]
                if one.job_id:
                    crowd.send(deployment.read("a", one.job_id), one)
                else:
                    crowd.send(submits[next(numbers)], _Polled(time.time()))
            for answer in crowd.answers(0.02):
                if isinstance(answer.tag, _Waiting):
                    crowd.send(waits[next(numbers)], answer.tag)
                else:
                    _note(watch, answer, answer.tag)
    return watch.polled


def _note(watch: _Watch, answer: Answer, one: _Polled) -> None:
    """Take what an answer says of a job; plan when its client asks again, or submits its next job."""
    pause_s = float(answer.header("retry-after") or 1)
    if answer.status in {200, 202}:
        job = json.loads(answer.body)
        if not one.job_id:
            one.job_id = job["id"]
            watch.polled.append(one)
        else:
            one.num_polls += 1
        place = job.get("queue") or {}
        if one.eta_s is None and place.get("eta_s") is not None:
            one.eta_s = place["eta_s"] + (answer.at - one.submitted_at)
        if job["completed_at"]:
            one.known_at, one, pause_s = answer.at, _Polled(0.0), 0.0
    heapq.heappush(watch.later, (time.monotonic() + pause_s, next(watch.numbers), one))
