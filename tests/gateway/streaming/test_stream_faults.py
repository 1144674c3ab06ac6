"""Streams that do not go well: workers that die, events that get lost, jobs that end badly."""

import threading
from collections.abc import Callable

import httpx
import openai
import pytest

from contracts.errors import WorkerLost
from contracts.generation import TextDelta, Token
from tests.gateway.conftest import Stack
from tests.gateway.decoder_fakes import Hand
from tests.gateway.streams import COMPLETION, GENERATE, PROMPT, ROUTES, TASK_ROUTES, TEXT, Body, Reader
from tests.support.waiting import PATIENCE_S, wait_until


@pytest.fixture
def opened(stack: Stack) -> Callable[..., tuple[Reader, Hand, list[TextDelta]]]:
    """Open a stream, and take its job; return both, and what is to be told."""

    def open_stream(path: str = "/v1/generate", body: Body = GENERATE) -> tuple[Reader, Hand, list[TextDelta]]:
        reader = Reader(stack.gateway, path, body)
        hand = Hand(stack.store)
        return reader, hand, hand.text(PROMPT)

    return open_stream


Opened = Callable[..., tuple[Reader, Hand, list[TextDelta]]]


@pytest.mark.parametrize(("path", "body"), ROUTES)
@pytest.mark.parametrize("num_told", [1, 6])
def test_a_second_attempt_goes_on_where_the_first_was_lost(
    opened: Opened, path: str, body: Body, num_told: int
) -> None:
    reader, hand, pieces = opened(path, body)
    for piece in pieces[:num_told]:
        hand.tell(piece)
    hand.die()
    # Told again in other portions, as another worker may.
    hand.tell(*pieces[:3])
    hand.tell(*pieces[3:-1])
    hand.tell(pieces[-1])
    hand.succeed(pieces)
    assert reader.text == TEXT
    assert [comment for comment in reader.comments if comment.startswith("attempt 2")]


@pytest.mark.parametrize(("path", "body"), ROUTES)
def test_another_text_in_the_second_attempt_ends_the_stream(opened: Opened, path: str, body: Body) -> None:
    reader, hand, pieces = opened(path, body)
    hand.tell(*pieces[:3])
    hand.die()
    other = TextDelta(text="something else", tokens=[Token(5, "?", -1.0)] if path == "/v1/generate" else [])
    hand.tell(other)
    last = reader.end()[-1]["data"]
    error = last["error"]
    assert "another text" in (error if path in TASK_ROUTES else error["message"])
    assert (last["error_type"] if path in TASK_ROUTES else error["code"]) == "stream_broken"
    hand.fail(WorkerLost())


@pytest.mark.parametrize(("path", "body"), ROUTES)
@pytest.mark.parametrize("num_told", [0, 1, 5, -1])
def test_what_the_events_lost_is_told_from_the_record(opened: Opened, path: str, body: Body, num_told: int) -> None:
    reader, hand, pieces = opened(path, body)
    for piece in pieces[:num_told]:
        hand.tell(piece)
    hand.succeed(pieces)
    assert reader.text == TEXT
    last = reader.items[-1]["data"]
    if path in TASK_ROUTES:
        assert TEXT in (last.get("generated_text"), last.get("output", {}).get("translation_text"))
    else:
        assert last == "[DONE]"


def test_a_record_that_is_not_what_was_told_ends_in_an_error(opened: Opened) -> None:
    reader, hand, pieces = opened()
    hand.tell(TextDelta(text="not it", tokens=[Token(5, "?", -1.0)]))
    hand.succeed(pieces)
    assert reader.end()[-1]["data"]["error_type"] == "stream_broken"


def _fail(stack: Stack, hand: Hand) -> None:
    hand.fail(WorkerLost())


def _cancel(stack: Stack, hand: Hand) -> None:
    httpx.post(f"{stack.gateway.url}/v1/jobs/{hand.claim.id}/cancel")
    assert hand.tell() == {hand.claim.id}
    stack.store.confirm_cancel(hand.claim)


def _delete(stack: Stack, hand: Hand) -> None:
    httpx.delete(f"{stack.gateway.url}/v1/jobs/{hand.claim.id}")


ENDS = [(_fail, {"worker_lost"}), (_cancel, {"job_cancelled"}), (_delete, {"job_gone", "job_cancelled"})]


@pytest.mark.parametrize(("path", "body"), ROUTES)
@pytest.mark.parametrize(("end", "codes"), ENDS)
def test_a_job_that_ends_badly_ends_its_stream_with_an_error(
    stack: Stack, opened: Opened, path: str, body: Body, end: Callable[[Stack, Hand], None], codes: set[str]
) -> None:
    reader, hand, pieces = opened(path, body)
    hand.tell(*pieces[:2])
    wait_until(lambda: reader.status, "the stream has not begun")
    end(stack, hand)
    last = reader.end()[-1]["data"]
    assert (last["error_type"] if path in TASK_ROUTES else last["error"]["code"]) in codes
    # Before the first byte the same is an answer.
    reader, hand, _ = opened(path, body)
    end(stack, hand)
    assert reader.end() == []
    assert reader.status in {409, 410, 500} and reader.error["code"] in codes


def test_a_deadline_ends_a_stream(stack: Stack, opened: Opened) -> None:
    reader, hand, pieces = opened(body={**GENERATE, "deadline_s": 1 + 50 * stack.gateway.round_trip_s()})
    hand.tell(*pieces[:2])
    assert reader.end()[-1]["data"]["error_type"] == "job_expired"
    assert hand.tell(*pieces[2:]) == {hand.claim.id}


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
    hand = Hand(stack.store)
    pieces = hand.text(PROMPT)
    hand.tell(*pieces[:4])
    hand.die()  # a comment between two items must not trouble it
    hand.tell(*pieces[:6])
    hand.fail(WorkerLost())
    reader.join(PATIENCE_S)
    assert "".join(texts) == "".join(piece.text for piece in pieces[:6])
    assert "three times" in str(found[0])
