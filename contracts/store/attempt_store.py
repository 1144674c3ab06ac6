"""What a worker does with jobs: start attempts, keep leases, publish output, end attempts. Steps 4 and 7.

The attempt number of a claim is a fencing token: every later call names it, and has no effect once another attempt
owns the job. So a worker that lost its lease, and does not know it yet, can do no harm.
"""

import secrets
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import redis

from contracts.errors import TriptychError
from contracts.jobs import Answer, Claim
from contracts.settings import StoreSettings
from contracts.store.scripts import load_script

MAX_JOBS = 16
"""Jobs that one call starts or ends: the store serves nobody else while it runs one."""


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
        token: str = "",
    ) -> Turn:
        """Record outcomes, then start attempts at the oldest jobs that wait, as far as they fit: one round trip.

        Args:
            worker: its id.
            outcomes: at most ``MAX_JOBS``.
            sources: queues to take jobs from, in this order, and ids of single jobs, which are started whatever they
                need. Without any, only a call with the same token finds jobs.
            max_jobs: most attempts to start, at most ``MAX_JOBS``; groups of suspects are started whole.
            room: memory for them.
            token: identifies the call. If it is made again with the same token because its reply was lost, it returns
                the attempts that it has started. By default it is another one each time.
        """
        ended = [
            value
            for claim, status, fields in outcomes
            for value in (claim.id, claim.attempt, status, len(fields), *fields)
        ]
        fixed = (worker, self.lease_s, token or new_token(), max_jobs, *room, len(outcomes))
        accepted, started, too_large = self._turn(args=[*fixed, *ended, *sources])
        large = LargeJob(too_large[0].decode(), too_large[1]) if too_large else None
        return Turn([bool(value) for value in accepted], [_claim_from(reply) for reply in started], large)

    def renew_leases(self, attempts: Iterable[tuple[str, int]]) -> set[str]:
        """Renew the leases of attempts, given as (job id, attempt); return the ids of jobs that must stop.

        A job must stop when it was cancelled, has expired or was deleted, or when another attempt owns it.
        """
        # One call for all attempts, because a worker may hold many, and the heartbeat must not be late for any of them.
        flat = [value for attempt in attempts for value in attempt]
        return {job_id.decode() for job_id in self._renew(args=[self.lease_s, *flat])}

    def progress(self, progress: Iterable[tuple[Claim, int, int]]) -> None:
        """Record how much of jobs is done, as (claim, parts done, parts): inputs, or what they were split into.

        It has no effect on a job that is no longer this attempt's.
        """
        flat = [
            value for claim, num_done, num_parts in progress for value in (claim.id, claim.attempt, num_done, num_parts)
        ]
        self._progress(args=flat)

    def wake_queues(self, queues: Sequence[str] = ()) -> int:
        """Push a message to each of these queues (by default: to all) if jobs wait in it and no message is out.

        Returns:
            How many messages were pushed.
        """
        return int(self._wake_queues(args=queues))

    def publish(self, deltas: Iterable[tuple[Claim, bytes]], token: str) -> set[str]:
        """Append output events to the streams of jobs, in one call for all; return the ids of jobs that must stop.

        A job that is no longer this attempt's gets no event.

        Args:
            deltas: for each job a JSON list of ``contracts.generation.TextDelta``, or empty bytes if nothing is new.
            token: identifies this call. When the call is repeated with the same token because its reply was lost, a
                job that already has the event does not get it twice.
        """
        flat = [value for claim, encoded in deltas for value in (claim.id, claim.attempt, encoded)]
        return {job_id.decode() for job_id in self._publish(args=[token, *flat])}

    def release(self, claims: Iterable[Claim]) -> None:
        """Give unfinished attempts back to their queues, without blame."""
        self._release(args=[value for claim in claims for value in (claim.id, claim.attempt)])

    def abandon(self, attempts: Iterable[tuple[str, int, bool, bool]]) -> int:
        """Give back the attempts of a worker that has died, before their leases run out; return how many.

        Attempts that are over, or that this store knows nothing of, are left alone.

        Args:
            attempts: what it held, as (job id, attempt, in call, preparing): whether rows of the job were in the model
                call that ran, and whether its own thread worked on it.
        """
        flat = [
            value
            for job_id, attempt, in_call, preparing in attempts
            for value in (job_id, attempt, int(in_call), int(preparing))
        ]
        return int(self._abandon(args=[self._max_crashes, *flat]))


def new_token() -> str:
    """Return a token that no other call has."""
    return secrets.token_hex(8)


def succeeded(claim: Claim, answer: Answer) -> Outcome:
    """Return the outcome of a job that has its one result."""
    fields = (
        *("output", answer.output, "usage", answer.usage, "timings", answer.timings),
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
