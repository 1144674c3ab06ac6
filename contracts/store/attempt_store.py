"""What a worker does with jobs: start attempts, keep leases, publish output, end attempts. Steps 4 and 7.

The attempt number of a claim is a fencing token: every later call names it, and has no effect once another attempt
owns the job. So a worker that lost its lease, and does not know it yet, can do no harm.
"""

import time
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple, TypeVar

import redis

from contracts.errors import TriptychError
from contracts.jobs import Answer, Claim
from contracts.settings import StoreSettings
from contracts.store.blame import Held, verdict_on
from contracts.store.records import packed
from contracts.store.scripts import load_script

MAX_JOBS = 16
"""Jobs that one call starts or ends: the store serves nobody else while it runs one."""
_MAX_SOURCES = 8
"""Queues that one call looks into."""
_MAX_CHANGES = 24
"""Jobs that one call of any other script changes."""
_T = TypeVar("_T")


class Room(NamedTuple):
    """How much memory a worker has for jobs, and how it estimates what a job takes."""

    num_bytes: int
    """For the jobs that one call starts."""
    most_bytes: int
    """Of one of them. A larger one is not started, but named."""
    per_request_byte: int
    per_input: int


UNLIMITED = Room(2**52, 2**52, 0, 0)
"""Every job is estimated to take nothing."""


class LargeJob(NamedTuple):
    """A job that no room of its worker's size can hold beside others."""

    job_id: str
    num_bytes: int


class Outcome(NamedTuple):
    """How an attempt has ended, ready to be recorded."""

    claim: Claim
    status: str
    """``succeeded``, ``failed``, or ``cancelled``: the attempt has stopped, and the job ends if a client wants it."""
    fields: Sequence[str | bytes] = ()
    """Fields of the record and their values, in turn."""


class Turn(NamedTuple):
    """What the store replies to a worker's turn."""

    accepted: list[bool]
    """For each outcome whether it counts. It does not when another attempt owns the job."""
    claims: list[Claim]
    too_large: LargeJob | None
    """The oldest job that waits and needs more than ``most_bytes``."""
    left: bool
    """Whether jobs are left in the queues: they did not fit into the room, or more wait than ``max_jobs``."""


class Returned(NamedTuple):
    """What became of the jobs of a worker that has died."""

    num_jobs: int
    """That were given back."""
    charged_to_suspects: bool
    """Whether jobs are charged with the death, and all of these were suspects before: it says nothing of the worker."""


class AttemptStore:
    """Starts and ends attempts. Methods raise ``redis.RedisError`` when the store is out of reach."""

    def __init__(self, client: "redis.Redis", settings: StoreSettings) -> None:
        self.lease_s = settings.lease_s
        self._max_crashes = settings.max_crashes
        self._turn = load_script(client, "turn")
        self._renew = load_script(client, "renew")
        self._progress = load_script(client, "progress")
        self._publish = load_script(client, "publish")
        self._release = load_script(client, "release")
        self._abandon = load_script(client, "abandon")
        self._wake_queues = load_script(client, "wake_queues")

    def turn(
        self,
        worker: str,
        outcomes: Sequence[Outcome] = (),
        *,
        sources: Sequence[str] = (),
        max_jobs: int = MAX_JOBS,
        room: Room = UNLIMITED,
        token: int | None = None,
    ) -> Turn:
        """Record outcomes, then start attempts at the oldest jobs that wait, as far as they fit: one round trip.

        Args:
            worker: its id.
            outcomes: at most ``MAX_JOBS``.
            sources: queues to take jobs from, in this order, and ids of single jobs, which are started whatever they
                need. Without any, only a call with the same token finds jobs.
            max_jobs: most attempts to start, at most ``MAX_JOBS``; groups of suspects are started whole.
            room: memory for them.
            token: number of the call (`new_token`). If it is made again with the same token because its reply was lost,
                it returns the attempts that it has started. By default it is a new one.
        """
        again, token = token is not None, token or new_token()
        turn = Turn([], [], None, left=False)
        ended = _flat(outcomes)
        for start in range(0, max(1, len(sources)), _MAX_SOURCES):
            most = max_jobs - len(turn.claims) if sources or again else 0
            left_bytes = room.num_bytes - sum(claim.num_bytes for claim in turn.claims)
            fixed = (worker, self.lease_s, f"{token}.{start}", most, left_bytes, *room[1:])
            part = sources[start : start + _MAX_SOURCES]
            turn = _joined(turn, self._turn(args=[*fixed, *ended, *part]))
            ended = [0]
            if len(turn.claims) >= max_jobs:
                self.wake_queues(sources[start + _MAX_SOURCES :])  # they may have work for others
                break
        return turn

    def renew_leases(self, attempts: Iterable[tuple[str, int]]) -> set[str]:
        """Renew the leases of attempts, given as (job id, attempt); return the ids of jobs that must stop.

        A job must stop when it was cancelled, has expired or was deleted, or when another attempt owns it. One that
        was taken from this worker, and that nobody else has started yet, is its own again.
        """
        stop: set[str] = set()
        for chunk in _chunks(attempts):
            flat = [value for attempt in chunk for value in attempt]
            stop |= {job_id.decode() for job_id in self._renew(args=[self.lease_s, *flat])}
        return stop

    def progress(self, progress: Iterable[tuple[Claim, int, int]]) -> None:
        """Record how much of jobs is done, as (claim, parts done, parts): inputs, or what they were split into.

        It has no effect on a job that is no longer this attempt's.
        """
        for chunk in _chunks(progress):
            self._progress(args=[value for claim, *done in chunk for value in (claim.id, claim.attempt, *done)])

    def wake_queues(self, queues: Iterable[str]) -> int:
        """Push a message to each of these queues if jobs wait in it and no message is out; return how many."""
        return sum(int(self._wake_queues(args=chunk)) for chunk in _chunks(queues))

    def publish(self, deltas: Iterable[tuple[Claim, bytes]], token: str) -> set[str]:
        """Append output events to the streams of jobs; return the ids of jobs that must stop.

        A job that is no longer this attempt's gets no event.

        Args:
            deltas: for each job a JSON list of ``contracts.generation.TextDelta``, or empty bytes if nothing is new.
            token: identifies this call. When the call is repeated with the same token because its reply was lost, a
                job that already has the event does not get it twice.
        """
        stop: set[str] = set()
        for chunk in _chunks(deltas):
            flat = [value for claim, encoded in chunk for value in (claim.id, claim.attempt, encoded)]
            stop |= {job_id.decode() for job_id in self._publish(args=[token, *flat])}
        return stop

    def release(self, claims: Iterable[Claim]) -> None:
        """Give unfinished attempts back to their queues, without blame."""
        for chunk in _chunks(claims):
            self._release(args=[value for claim in chunk for value in (claim.id, claim.attempt)])

    def abandon(self, held: Sequence[Held], worker: str = "") -> Returned:
        """Give back the attempts of a worker that has died, before their leases run out. `blame` says who is blamed.

        Attempts that are over, or that this store knows nothing of, are left alone. If the worker is named, those that
        its last turn has started, and that it did not live to hold, go back as well.
        """
        counts = [0, 0, 0]
        # Those that are blamed come together, so that few of those that shared a call are in different chunks.
        pairs = sorted(zip(held, verdict_on(held), strict=True), key=lambda pair: pair[1])
        for chunk in [*_chunks(pairs), []]:  # the last call finds what the worker did not hold
            flat = [value for job, verdict in chunk for value in (job.job_id, job.attempt, verdict)]
            found = self._abandon(args=[worker, self._max_crashes, *flat])
            counts = [count + more for count, more in zip(counts, found, strict=True)]
        num_jobs, num_charged, num_suspects = counts
        return Returned(num_jobs, charged_to_suspects=0 < num_charged == num_suspects)


def new_token() -> int:
    """Return the number of a worker's next turn: a time, so that each is greater than those before."""
    # In the unit that Python can't call this twice in, and that Lua's numbers hold exactly for 28 years.
    return time.monotonic_ns() // 100


def _flat(outcomes: Sequence[Outcome]) -> list[Any]:
    values: list[Any] = [len(outcomes)]
    for claim, status, fields in outcomes:
        values += (claim.id, claim.attempt, status, len(fields), *fields)
    return values


def _joined(turn: Turn, reply: Any) -> Turn:
    """Return what several calls have replied as if it was one."""
    accepted, started, too_large, left = reply
    large = LargeJob(too_large[0].decode(), too_large[1]) if too_large else None
    # A part of a turn that is made again returns what all parts have started.
    claims = {claim.id: claim for claim in (*turn.claims, *map(_claim_from, started))}
    return Turn(
        turn.accepted + [bool(value) for value in accepted],
        list(claims.values()),
        turn.too_large or large,
        turn.left or bool(left),
    )


def _chunks(items: Iterable[_T]) -> Iterator[list[_T]]:
    whole = list(items)
    for start in range(0, len(whole), _MAX_CHANGES):
        yield whole[start : start + _MAX_CHANGES]


def succeeded(claim: Claim, answer: Answer) -> Outcome:
    """Return the outcome of a job that has its one result."""
    fields = (
        *("output", packed(answer.output), "usage", answer.usage, "timings", answer.timings),
        *("model_revision", answer.model_revision),
    )
    return Outcome(claim, "succeeded", fields)


def failed(claim: Claim, error: TriptychError) -> Outcome:
    """Return the outcome of a job that failed, with the reason."""
    # A message may quote text that UTF-8 can't encode (lone surrogates). Raising here would leave the job running.
    fields = [b"error_code", error.code.encode(), b"error_message", error.message.encode(errors="replace")]
    if error.param:
        fields += [b"error_param", error.param.encode(errors="replace")]
    return Outcome(claim, "failed", fields)


def stopped(claim: Claim) -> Outcome:
    """Return the outcome of an attempt that has stopped. It ends the job only if a client cancelled it."""
    return Outcome(claim, "cancelled")


def _claim_from(reply: Any) -> Claim:
    job_id, attempt, task, model, timeout_s, group, request_id, num_bytes, request = reply
    return Claim(
        id=job_id.decode(),
        attempt=attempt,
        task=task.decode(),
        model=model.decode(),
        request=request,
        timeout_s=float(timeout_s),
        group=group.decode(),
        request_id=request_id.decode(),
        num_bytes=num_bytes,
    )
