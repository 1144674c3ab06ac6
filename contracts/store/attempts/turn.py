"""What a worker says in its turn, and what the store replies. Steps 4 and 7."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec

from contracts.jobs import Claim
from contracts.store.attempts.outcomes import Outcome
from contracts.store.scripts import from_json


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


class Turn(NamedTuple):
    """What the store replies to a worker's turn."""

    accepted: list[bool]
    """For each outcome whether it counts. It does not when another attempt owns the job."""
    claims: list[Claim]
    too_large: LargeJob | None
    """The oldest job that waits and needs more than ``most_bytes``."""


def encoded(outcomes: Sequence[Outcome]) -> list[Any]:
    """Return outcomes as arguments of the script: one piece of JSON, then the outputs, which may be anything."""
    heads = [
        (
            *(one.claim.id, one.claim.attempt, one.status, dict(one.fields), one.output is not None),
            (*one.consumed, one.num_bytes_out),
        )
        for one in outcomes
    ]
    return [msgspec.json.encode(heads), *(outcome.output for outcome in outcomes if outcome.output is not None)]


def joined(turn: Turn, reply: Any) -> Turn:
    """Return what several calls have replied as if it was one."""
    accepted, started, requests, too_large = reply
    large = LargeJob(too_large[0].decode(), too_large[1]) if too_large else None
    # A part of a turn that is made again returns what all parts have started.
    claims = {claim.id: claim for claim in (*turn.claims, *map(_claim_from, from_json(started), requests))}
    return Turn(
        turn.accepted + [value == ord("1") for value in accepted],
        list(claims.values()),
        turn.too_large or large,
    )


def _claim_from(head: list[Any], request: bytes) -> Claim:
    job_id, attempt, task, model, timeout_s, group, request_id, num_bytes, tenant, lane, price_s, weight = head
    return Claim(
        id=job_id,
        attempt=attempt,
        task=task,
        model=model,
        request=request,
        timeout_s=float(timeout_s),
        group=group,
        request_id=request_id,
        num_bytes=int(num_bytes),
        tenant=tenant,
        lane=lane,
        price_s=float(price_s),
        weight=float(weight),
    )
