"""Who waits for the end of a job gets its record with the news, and it is the one that a read returns."""

import random

import msgspec
import pytest

from contracts.errors import InvalidRequest, JobNotFound
from contracts.jobs import Answer
from contracts.store.attempts.outcomes import Outcome, failed, succeeded
from contracts.store.changes import Change, changes_from
from contracts.store.keys import of_end_only, wake_channel
from tests.redis.builders import ANSWER, TENANT, claimed, submit
from tests.redis.records.test_reading import published
from tests.support.job_store import JobStore

CHANNEL = wake_channel("g1")
ENDS = of_end_only(CHANNEL)
SHAPES = (b"[1]", b'[["a"]]', b'[["a","succeeded",1]]', b'[["a","succeeded",[1],0]]', b"[" * 5000)


def answer(output: bytes) -> Answer:
    return msgspec.structs.replace(ANSWER, output=output)


def ends(store: JobStore, *outcomes: Outcome) -> list[Change]:
    """Return what waiters hear when these attempts end in one call."""
    (message,) = published(store, CHANNEL, 1, lambda: store.turn("w1", list(outcomes)))
    return changes_from(message)


def test_published_records_are_those_that_a_read_returns(store: JobStore) -> None:
    """Also of outputs that are packed, or have line breaks, among others in one message."""
    claims = [claimed(store, wake=ENDS, metadata=b'{"who":"\xc3\xa9\\n"}', request_id="r1") for _ in range(4)]
    texts = [b'"short"', b'"' + b"long " * 1000 + b'"', b'["a",\n\n"b"]']
    outcomes = [succeeded(claim, answer(text)) for claim, text in zip(claims, texts, strict=False)]
    changes = ends(store, *outcomes, failed(claims[3], InvalidRequest("Something is wrong.\nReally.", param="inputs")))
    assert [change.job_id for change in changes] == [claim.id for claim in claims]
    for change in changes:
        assert change.record is not None
        assert store.published(change.job_id, TENANT, change.record) == store.read(change.job_id, TENANT)
    with pytest.raises(JobNotFound):
        store.published(changes[0].job_id, "other", changes[0].record or [])


def test_a_large_output_is_left_to_a_read(store: JobStore) -> None:
    # Random text does not become much shorter when it is packed.
    text = random.Random(0).randbytes(10_000).hex()
    large, small = claimed(store, wake=ENDS), claimed(store, wake=ENDS)
    outcomes = [succeeded(large, answer(msgspec.json.encode(text))), succeeded(small, ANSWER)]
    assert len(outcomes[0].output or b"") > 8192
    first, second = ends(store, *outcomes)
    assert (first, second.record is None) == (Change(large.id, "succeeded", None), False)


@pytest.mark.parametrize("metadata", [b'{"a":"' + b"x" * 9000 + b'"}', b'{"a":"\xff"}'])
def test_a_record_with_large_or_broken_metadata_is_left_to_a_read(store: JobStore, metadata: bytes) -> None:
    odd, other = claimed(store, wake=ENDS, metadata=metadata), claimed(store, wake=ENDS)
    first, second = ends(store, succeeded(odd, ANSWER), succeeded(other, ANSWER))
    assert first == Change(odd.id, "succeeded", None)
    assert second[:2] == (other.id, "succeeded")
    assert store.read(odd.id, TENANT).metadata == metadata


def test_what_a_later_version_adds_is_passed_over() -> None:
    assert changes_from(b'[["a","running",null,-1,"more"]]') == [Change("a", "running", None)]


def test_a_job_that_was_deleted_has_no_record(store: JobStore) -> None:
    job_id = submit(store, wake=ENDS)
    (message,) = published(store, CHANNEL, 1, lambda: store.delete(job_id, TENANT))
    assert changes_from(message) == [Change(job_id, "cancelled", None)]


def test_who_hears_of_every_change_reads_for_itself(store: JobStore) -> None:
    (change,) = ends(store, succeeded(claimed(store, wake=CHANNEL), ANSWER))
    assert change.record is None


@pytest.mark.parametrize("message", [b"", b"id:succeeded", b"the end", b"{}\n", b"\xff", *SHAPES])
def test_what_somebody_else_publishes_says_nothing(message: bytes) -> None:
    assert changes_from(message) == []
