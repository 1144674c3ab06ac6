"""Requests that show no output read none: counted in bytes that the store sends."""

from collections.abc import Callable, Iterator

import httpx
import pytest

from services.gateway.streaming.record_events import events_of
from tests.gateway.conftest import Stack
from tests.gateway.finished_jobs import OWNER, finished_job

NUM_JOBS = 12
OUTPUT = b"[" + b"1," * 1_000_000 + b"1]"


@pytest.fixture(scope="module")
def job_ids(stack: Stack) -> Iterator[list[str]]:
    """Ids of jobs with large outputs, the newest jobs of the stack."""
    made = [finished_job(stack, OUTPUT) for _ in range(NUM_JOBS)]
    yield made
    for job_id in made:
        stack.store.delete(job_id, OWNER)


def bytes_sent(stack: Stack, call: Callable[[], object]) -> int:
    """Return how many bytes the store has sent during a call."""
    before = int(stack.store.client.info("stats")["total_net_output_bytes"])
    call()
    return int(stack.store.client.info("stats")["total_net_output_bytes"]) - before


@pytest.mark.parametrize("query", ["", "&status=succeeded", "&task=embed", "&status=failed"])
def test_a_page_reads_no_output(stack: Stack, http: httpx.Client, job_ids: list[str], query: str) -> None:
    pages = []
    sent = bytes_sent(stack, lambda: pages.append(http.get(f"/v1/jobs?limit={NUM_JOBS}{query}").json()))
    assert "failed" in query or {job["id"] for job in pages[0]["data"]} == set(job_ids)
    assert sent < len(OUTPUT)


def test_a_poll_of_an_unchanged_job_reads_no_output(stack: Stack, http: httpx.Client, job_ids: list[str]) -> None:
    answer = http.get(f"/v1/jobs/{job_ids[0]}")
    assert answer.json()["output"][0] == 1
    headers = {"If-None-Match": answer.headers["ETag"]}

    def poll() -> None:
        for _ in range(5):
            assert http.get(f"/v1/jobs/{job_ids[0]}", headers=headers).status_code == 304

    assert bytes_sent(stack, poll) < len(OUTPUT)


def test_a_reader_of_events_that_has_them_all_reads_no_output(
    stack: Stack, http: httpx.Client, job_ids: list[str]
) -> None:
    last = events_of(stack.store.read(job_ids[0], OWNER))[-1].id
    url = f"/v1/jobs/{job_ids[0]}/events?starting_after={last}"

    def follow() -> None:
        for _ in range(5):
            assert http.get(url).status_code == 204

    assert bytes_sent(stack, follow) < len(OUTPUT)


def test_a_wait_reads_the_output_once(stack: Stack, http: httpx.Client, job_ids: list[str]) -> None:
    sent = bytes_sent(stack, lambda: http.get(f"/v1/jobs/{job_ids[0]}?wait=5").raise_for_status())
    assert len(OUTPUT) < sent < 2 * len(OUTPUT)


def test_a_purge_reads_no_output(stack: Stack, http: httpx.Client) -> None:
    job_id = finished_job(stack, OUTPUT)
    assert bytes_sent(stack, lambda: http.delete(f"/v1/jobs/{job_id}").raise_for_status()) < len(OUTPUT)
