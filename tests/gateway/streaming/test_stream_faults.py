"""Faults of streams: workers that die, events that are lost, jobs that do not succeed."""

import threading
from collections.abc import Callable

import httpx
import openai
import pytest

from contracts.errors import WorkerLost
from contracts.generation import TextDelta, Token
from tests.gateway.conftest import Stack
from tests.gateway.fakes.manual_worker import ManualWorker
from tests.gateway.streams import COMPLETION, GENERATE, PROMPT, ROUTES, TASK_ROUTES, TEXT, Body, Reader
from tests.redis.builders import pass_deadline
from tests.support.waiting import PATIENCE_S, wait_until


@pytest.fixture
def opened(stack: Stack) -> Callable[..., tuple[Reader, ManualWorker, list[TextDelta]]]:
    """Open a stream and claim its job; return a reader, a worker and the deltas to emit."""

    def open_stream(path: str = "/v1/generate", body: Body = GENERATE) -> tuple[Reader, ManualWorker, list[TextDelta]]:
        reader = Reader(stack.gateway, path, body)
        worker = ManualWorker(stack.store)
        return reader, worker, worker.deltas(PROMPT)

    return open_stream


Opened = Callable[..., tuple[Reader, ManualWorker, list[TextDelta]]]


@pytest.mark.parametrize(("path", "body"), ROUTES)
@pytest.mark.parametrize("num_emitted", [1, 6])
def test_a_second_attempt_continues_the_stream_of_the_first(
    opened: Opened, path: str, body: Body, num_emitted: int
) -> None:
    reader, worker, deltas = opened(path, body)
    for delta in deltas[:num_emitted]:
        worker.emit(delta)
    worker.lose_job()
    # The second worker emits the same text in other portions.
    worker.emit(*deltas[:3])
    worker.emit(*deltas[3:-1])
    worker.emit(deltas[-1])
    worker.succeed(deltas)
    assert reader.text == TEXT
    assert [comment for comment in reader.comments if comment.startswith("attempt 2")]


@pytest.mark.parametrize(("path", "body"), ROUTES)
def test_another_text_in_the_second_attempt_ends_the_stream(opened: Opened, path: str, body: Body) -> None:
    reader, worker, deltas = opened(path, body)
    worker.emit(*deltas[:3])
    worker.lose_job()
    other = TextDelta(text="something else", tokens=[Token(5, "?", -1.0)] if path == "/v1/generate" else [])
    worker.emit(other)
    last = reader.end()[-1]["data"]
    error = last["error"]
    assert "another text" in (error if path in TASK_ROUTES else error["message"])
    assert (last["error_type"] if path in TASK_ROUTES else error["code"]) == "stream_broken"
    worker.fail(WorkerLost())


@pytest.mark.parametrize(("path", "body"), ROUTES)
@pytest.mark.parametrize("num_emitted", [0, 1, 5, -1])
def test_lost_text_is_streamed_from_the_record(opened: Opened, path: str, body: Body, num_emitted: int) -> None:
    reader, worker, deltas = opened(path, body)
    for delta in deltas[:num_emitted]:
        worker.emit(delta)
    worker.succeed(deltas)
    assert reader.text == TEXT
    last = reader.items[-1]["data"]
    if path in TASK_ROUTES:
        assert TEXT in (last.get("generated_text"), last.get("output", {}).get("translation_text"))
    else:
        assert last == "[DONE]"


def test_a_record_that_differs_from_the_stream_ends_it_with_an_error(opened: Opened) -> None:
    reader, worker, deltas = opened()
    worker.emit(TextDelta(text="not it", tokens=[Token(5, "?", -1.0)]))
    worker.succeed(deltas)
    assert reader.end()[-1]["data"]["error_type"] == "stream_broken"


def _fail(stack: Stack, worker: ManualWorker) -> None:
    worker.fail(WorkerLost())


def _cancel(stack: Stack, worker: ManualWorker) -> None:
    httpx.post(f"{stack.gateway.url}/v1/jobs/{worker.claim.id}/cancel", timeout=PATIENCE_S)
    assert worker.emit() == {worker.claim.id}
    stack.store.confirm_cancel(worker.claim)


def _delete(stack: Stack, worker: ManualWorker) -> None:
    httpx.delete(f"{stack.gateway.url}/v1/jobs/{worker.claim.id}", timeout=PATIENCE_S)


ENDS = [(_fail, {"worker_lost"}), (_cancel, {"job_cancelled"}), (_delete, {"job_gone", "job_cancelled"})]


@pytest.mark.parametrize(("path", "body"), ROUTES)
@pytest.mark.parametrize(("end", "codes"), ENDS)
def test_a_job_that_does_not_succeed_ends_its_stream_with_an_error(
    stack: Stack, opened: Opened, path: str, body: Body, end: Callable[[Stack, ManualWorker], None], codes: set[str]
) -> None:
    reader, worker, deltas = opened(path, body)
    worker.emit(*deltas[:2])
    wait_until(lambda: reader.status, "the stream has not begun")
    end(stack, worker)
    last = reader.end()[-1]["data"]
    assert (last["error_type"] if path in TASK_ROUTES else last["error"]["code"]) in codes
    # Before the first byte the same is an answer.
    reader, worker, _ = opened(path, body)
    end(stack, worker)
    assert reader.end() == []
    assert reader.status in {409, 410, 500} and reader.error["code"] in codes


def test_a_deadline_ends_a_stream(stack: Stack, opened: Opened) -> None:
    reader, worker, deltas = opened()
    worker.emit(*deltas[:2])
    wait_until(lambda: reader.status, "the stream has not begun")
    pass_deadline(stack.store, worker.claim.id)
    assert reader.end()[-1]["data"]["error_type"] == "job_expired"
    assert worker.emit(*deltas[2:]) == {worker.claim.id}


def test_openais_library_raises_what_ends_a_stream(stack: Stack, opened: Opened) -> None:
    found: list[BaseException] = []
    texts: list[str] = []

    def read() -> None:
        with openai.OpenAI(base_url=f"{stack.gateway.url}/v1", api_key="x", max_retries=0) as client:
            try:
                for chunk in client.completions.create(**COMPLETION):
                    texts.append(chunk.choices[0].text)
            except openai.APIError as error:
                found.append(error)

    reader = threading.Thread(target=read)
    reader.start()
    worker = ManualWorker(stack.store)
    deltas = worker.deltas(PROMPT)
    worker.emit(*deltas[:4])
    worker.lose_job()  # a comment between two items must not trouble it
    worker.emit(*deltas[:6])
    worker.fail(WorkerLost())
    reader.join(PATIENCE_S)
    assert "".join(texts) == "".join(delta.text for delta in deltas[:6])
    assert "ran alone" in str(found[0])
