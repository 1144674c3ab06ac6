"""What a worker does with a job: claim it, keep its lease, publish its output, finish it. Steps 4 and 7 of a job.

The attempt number of a claim is a fencing token: every later call names it, and has no effect once another attempt
owns the job. So a worker that lost its lease, and does not know it yet, can do no harm.
"""

import secrets
from collections.abc import Iterable
from typing import Any, NamedTuple

import redis

from contracts.errors import TriptychError
from contracts.jobs import Answer, Claim
from contracts.settings import StoreSettings
from contracts.store.scripts import load_script


class Room(NamedTuple):
    """How much memory a worker has for a job, and how it estimates what a job takes."""

    num_bytes: int
    per_request_byte: int
    per_input: int


UNLIMITED = Room(0, 0, 0)
"""Every job is estimated to take nothing."""


class DoesNotFit(Exception):
    """A job was not claimed, because it needs more memory than the worker has for it now."""

    def __init__(self, job_id: str, num_bytes: int) -> None:
        super().__init__(f"job {job_id} needs {num_bytes} bytes")
        self.job_id = job_id
        self.num_bytes = num_bytes


class AttemptStore:
    """Starts and ends attempts. Methods raise ``redis.RedisError`` when the store is out of reach."""

    def __init__(self, client: "redis.Redis", settings: StoreSettings) -> None:
        self.lease_s = settings.lease_s
        self._republish_after_s = settings.republish_after_s
        self._max_crashes = settings.max_crashes
        self._claim = load_script(client, "claim")
        self._next = load_script(client, "next")
        self._beat = load_script(client, "beat")
        self._progress = load_script(client, "progress")
        self._publish = load_script(client, "publish")
        self._finish = load_script(client, "finish")
        self._release = load_script(client, "release")
        self._abandon = load_script(client, "abandon")

    def claim(self, job_id: str, worker: str, room: Room = UNLIMITED) -> Claim | None:
        """Start an attempt at a queued job, or return None when there is nothing to run.

        Raises:
            DoesNotFit: the worker has no room for the job, which stays in its queue.
        """
        return _claim_from(self._claim(args=[job_id, worker, self.lease_s, _call_token(), *room]))

    def claim_next(self, queue: str, worker: str, room: Room = UNLIMITED) -> Claim | None:
        """Start an attempt at the oldest job that waits in a queue and fits, or return None when none waits.

        Raises:
            DoesNotFit: none of the oldest jobs fits; names the first of them.
        """
        return _claim_from(self._next(args=[queue, worker, self.lease_s, _call_token(), *room]))

    def renew_leases(self, attempts: Iterable[tuple[str, int]]) -> set[str]:
        """Renew the leases of attempts, given as (job id, attempt); return the ids of jobs that must stop.

        A job must stop when it was cancelled, has expired or was deleted, or when another attempt owns it.
        """
        # One call for all attempts, because a worker may hold many, and the heartbeat must not be late for any of them.
        flat = [value for attempt in attempts for value in attempt]
        return {job_id.decode() for job_id in self._beat(args=[self.lease_s, *flat])}

    def progress(self, claim: Claim, num_done: int, num_parts: int | None = None) -> None:
        """Record how much is done. It has no effect when the attempt no longer owns the job.

        Args:
            claim: the attempt.
            num_done: how many inputs are done, or parts of inputs.
            num_parts: the number of parts, where inputs are processed in parts; None leaves the total as it is.
        """
        self._progress(args=[claim.id, claim.attempt, num_done, "" if num_parts is None else num_parts])

    def publish(self, deltas: Iterable[tuple[Claim, bytes]], token: str) -> set[str]:
        """Append output events to the streams of jobs, in one call for all; return the ids of jobs that must stop.

        A job that is no longer this attempt's, or is past its deadline, gets no event.

        Args:
            deltas: for each job a JSON list of ``contracts.generation.TextDelta``, or empty bytes if nothing is new.
            token: identifies this call. When the call is repeated with the same token because its reply was lost, a
                job that already has the event does not get it twice.
        """
        flat = [value for claim, encoded in deltas for value in (claim.id, claim.attempt, encoded)]
        return {job_id.decode() for job_id in self._publish(args=[token, *flat])}

    def succeed(self, claim: Claim, answer: Answer) -> bool:
        """Store an answer as the job's one result; return False when another attempt owns the job."""
        fields = (
            *("output", answer.output, "usage", answer.usage, "timings", answer.timings),
            *("model_revision", answer.model_revision),
        )
        return bool(self._finish(args=[claim.id, claim.attempt, "succeeded", *fields]))

    def fail(self, claim: Claim, error: TriptychError) -> bool:
        """Store why the job failed; return False when another attempt owns the job."""
        # A message may quote text that UTF-8 can't encode (lone surrogates). Raising here would leave the job running.
        fields = [b"error_code", error.code.encode(), b"error_message", error.message.encode(errors="replace")]
        if error.param:
            fields += [b"error_param", error.param.encode(errors="replace")]
        return bool(self._finish(args=[claim.id, claim.attempt, "failed", *fields]))

    def confirm_cancel(self, claim: Claim) -> bool:
        """End a job whose cancelled attempt has stopped.

        Return False when no client cancelled the job, or when another attempt owns it.
        """
        return bool(self._finish(args=[claim.id, claim.attempt, "cancelled"]))

    def release(self, claim: Claim) -> bool:
        """Give an unfinished attempt back to the queue; return False when it no longer owned the job."""
        return bool(self._release(args=[claim.id, claim.attempt, self._republish_after_s]))

    def abandon(self, worker: str, attempts: Iterable[tuple[str, int, bool, bool]]) -> None:
        """Give back the attempts of a worker that has died, before their leases run out.

        Args:
            worker: its id.
            attempts: what it held, as (job id, attempt, in call, preparing): whether rows of the job were in the model
                call that ran, and whether its own thread worked on it.
        """
        flat = [
            value
            for job_id, attempt, in_call, preparing in attempts
            for value in (job_id, attempt, int(in_call), int(preparing))
        ]
        self._abandon(args=[worker, self._republish_after_s, self._max_crashes, *flat])


_LENGTH_IF_TOO_LARGE = 2
"""Length of the reply that names a job which does not fit."""


def _call_token() -> str:
    # The same call sent again after a lost reply carries the same token, and gets the attempt that it has started.
    return secrets.token_hex(8)


def _claim_from(reply: Any) -> Claim | None:
    if reply is None:
        return None
    if len(reply) == _LENGTH_IF_TOO_LARGE:
        raise DoesNotFit(reply[0].decode(), reply[1])
    attempt, task, model, request, timeout_s, suspect, request_id, job_id = reply
    return Claim(
        id=job_id.decode(),
        attempt=attempt,
        task=task.decode(),
        model=model.decode(),
        request=request,
        timeout_s=float(timeout_s),
        suspect=suspect == b"1",
        request_id=(request_id or b"").decode(),
    )
