"""Outputs take less of the store's memory than their JSON, and readers get the JSON."""

import random

import msgspec
import pytest

from contracts.errors import BrokenRecord
from contracts.store.keys import job_key
from tests.redis.builders import ANSWER, TENANT, claimed
from tests.support.job_store import JobStore


def embedding(size: int) -> bytes:
    """Return the output of an embedding of this size: digits, which shrink less than any text."""
    numbers = random.Random(size)
    return msgspec.json.encode([[round(numbers.gauss(0, 0.1), 9) for _ in range(size)]])


def ended_with(store: JobStore, output: bytes) -> str:
    """Let a job succeed with this output, and return its id."""
    claim = claimed(store)
    assert store.succeed(claim, msgspec.structs.replace(ANSWER, output=output))
    return claim.id


@pytest.mark.parametrize("output", [b"[]", b'"x"', b"[0.5]" * 102, embedding(128), embedding(5000), embedding(200_000)])
def test_readers_get_what_the_worker_has_sent(store: JobStore, output: bytes) -> None:
    assert store.read(ended_with(store, output), TENANT).output == output


@pytest.mark.parametrize("size", [128, 384])
def test_an_embedding_takes_half_of_its_json(store: JobStore, size: int) -> None:
    output = embedding(size)
    job_id = ended_with(store, output)
    assert store.client.hstrlen(job_key(job_id), "output") < 0.55 * len(output)


def test_outputs_of_older_workers_are_read(store: JobStore) -> None:
    output = embedding(128)
    job_id = ended_with(store, output)
    store.client.hset(job_key(job_id), "output", output)
    assert store.read(job_id, TENANT).output == output


def test_an_output_that_can_not_be_unpacked_is_a_broken_record(store: JobStore) -> None:
    job_id = ended_with(store, embedding(128))
    store.client.hset(job_key(job_id), "output", b"x\x01 and nothing that fits")
    with pytest.raises(BrokenRecord):
        store.read(job_id, TENANT)
