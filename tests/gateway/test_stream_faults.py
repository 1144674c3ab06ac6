"""Streams that do not go well: workers that die, events that get lost, jobs that end badly, clients that go away."""

import re
import select
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest

from contracts.errors import WorkerLost
from contracts.generation import Piece, Token
from contracts.job_store import JobStore
from tests.gateway.conftest import Stack
from tests.gateway.gateway_process import GatewayProcess, running_gateway
from tests.gateway.small_worker import announce, store_of
from tests.gateway.streams import dropped_after, each_item, end_of, read_until
from tests.gateway.writing import UNSERVED_WRITER, WORDS, Hand
from tests.support.valkey import ValkeyServer
from tests.support.waiting import wait_until

PROMPT = "say it"
TEXT = f"0:{PROMPT}" + "".join(WORDS)
Body = dict[str, Any]
GENERATE: Body = {"inputs": PROMPT, "model": UNSERVED_WRITER, "stream": True}
CHAT: Body = {"model": UNSERVED_WRITER, "messages": [{"role": "user", "content": PROMPT}], "stream": True}
COMPLETION: Body = {"model": UNSERVED_WRITER, "prompt": PROMPT, "stream": True, "max_tokens": 60}
ROUTES = [("/v1/generate", GENERATE), ("/v1/chat/completions", CHAT), ("/v1/completions", COMPLETION)]


def text_of(data: Any) -> str:
    """Return the text that one item of any of the routes tells."""
    if data == "[DONE]" or "error" in data:
        return ""
    if "token" in data:
        return str(data["token"]["text"])
    return "".join(choice.get("text") or choice.get("delta", {}).get("content", "") for choice in data["choices"])


class Reader:
    """A client that reads a stream to its end in a thread of its own."""

    def __init__(self, gateway: GatewayProcess, path: str, body: Body) -> None:
        self.items: list[dict[str, Any]] = []
        self.status = 0
        self.error: Any = None
        self._call = (gateway.url + path, body)
        self._thread = threading.Thread(target=self._read)
        self._thread.start()

    def _read(self) -> None:
        url, body = self._call
        with httpx.Client(timeout=30) as client, client.stream("POST", url, json=body) as answer:
            self.status = answer.status_code
            if answer.status_code != 200:
                self.error = answer.read() and answer.json()["error"]
                return
            self.items.extend(each_item(answer))

    def end(self) -> list[dict[str, Any]]:
        self._thread.join(20)
        assert not self._thread.is_alive()
        return self.items

    @property
    def text(self) -> str:
        return "".join(text_of(item["data"]) for item in self.end())

    @property
    def comments(self) -> list[str]:
        return [comment for item in self.end() for comment in item["comments"]]


@pytest.fixture
def opened(stack: Stack) -> Callable[..., tuple[Reader, Hand, list[Piece]]]:
    """Open a stream, and take its job; return both, and what is to be told."""

    def open_stream(path: str = "/v1/generate", body: Body = GENERATE) -> tuple[Reader, Hand, list[Piece]]:
        reader = Reader(stack.gateway, path, body)
        hand = Hand(stack.store)
        return reader, hand, hand.text(PROMPT)

    return open_stream


Opened = Callable[..., tuple[Reader, Hand, list[Piece]]]


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
    other = Piece(text="something else", tokens=[Token(5, "?", -1.0)])
    hand.tell(other)
    last = reader.end()[-1]["data"]
    error = last["error"]
    assert "another text" in (error if path == "/v1/generate" else error["message"])
    assert (last["error_type"] if path == "/v1/generate" else error["code"]) == "stream_broken"
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
    assert last["generated_text"] == TEXT if path == "/v1/generate" else last == "[DONE]"


def test_a_record_that_is_not_what_was_told_ends_in_an_error(opened: Opened) -> None:
    reader, hand, pieces = opened()
    hand.tell(Piece(text="not it", tokens=[Token(5, "?", -1.0)]))
    hand.succeed(pieces)
    assert reader.end()[-1]["data"]["error_type"] == "stream_broken"


def _fail(stack: Stack, hand: Hand) -> None:
    hand.fail(WorkerLost())


def _cancel(stack: Stack, hand: Hand) -> None:
    httpx.post(f"{stack.gateway.url}/v1/jobs/{hand.claim.id}/cancel")
    assert hand.tell() == {hand.claim.id}
    stack.store.stopped(hand.claim)


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
    wait_until(lambda: reader.status, 5, "the stream has not begun")
    end(stack, hand)
    last = reader.end()[-1]["data"]
    assert (last["error_type"] if path == "/v1/generate" else last["error"]["code"]) in codes
    # Before the first byte the same is an answer.
    reader, hand, _ = opened(path, body)
    end(stack, hand)
    assert reader.end() == []
    assert reader.status in {409, 410, 500} and reader.error["code"] in codes


def test_a_deadline_ends_a_stream(stack: Stack, opened: Opened) -> None:
    reader, hand, pieces = opened(body={**GENERATE, "deadline_s": 1})
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
    reader.join(20)
    assert "".join(texts) == "".join(piece.text for piece in pieces[:6])
    assert "three times" in str(found[0])


# -- clients that go away ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("path", "body"), ROUTES)
def test_a_client_that_goes_away_before_the_first_byte_cancels_its_queued_job(
    stack: Stack, path: str, body: Body
) -> None:
    with dropped_after(stack.gateway, path, body):
        job_id = _newest(stack)
    assert end_of(stack.store, job_id).status == "cancelled"


@pytest.mark.parametrize(("path", "body"), ROUTES)
@pytest.mark.parametrize("flows", [True, False])
def test_a_client_that_goes_away_in_mid_stream_cancels_its_job(
    stack: Stack, path: str, body: Body, flows: bool
) -> None:
    with dropped_after(stack.gateway, path, body) as connection:
        hand = Hand(stack.store)
        pieces = hand.text(PROMPT)
        hand.tell(*pieces[:2])
        read_until(connection, PROMPT.encode())
    if flows:
        for piece in pieces[2:-1]:
            hand.tell(piece)
    assert end_of(stack.store, hand.claim.id).status == "cancelling"
    assert hand.tell() == {hand.claim.id}
    assert stack.store.stopped(hand.claim)


def test_a_client_with_a_key_may_come_back(stack: Stack) -> None:
    key = {"Idempotency-Key": "coming back"}
    with dropped_after(stack.gateway, "/v1/generate", GENERATE, **key) as connection:
        hand = Hand(stack.store)
        pieces = hand.text(PROMPT)
        hand.tell(*pieces[:2])
        read_until(connection, PROMPT.encode())
    wait_until(lambda: _num_streams(stack.gateway) == 0, 5, "a stream is still open")
    assert stack.store.read(hand.claim.id, "default").status == "running"
    hand.tell(*pieces[2:])
    hand.succeed(pieces)
    with httpx.stream("POST", f"{stack.gateway.url}/v1/generate", json=GENERATE, headers=key) as answer:
        assert answer.headers["Idempotent-Replayed"] == "true"
        assert "".join(text_of(item["data"]) for item in each_item(answer)) == TEXT


def test_whoever_only_follows_a_job_does_not_cancel_it(stack: Stack) -> None:
    job = httpx.post(f"{stack.gateway.url}/v1/jobs", json={"task": "generate", **GENERATE}).json()
    hand = Hand(stack.store)
    with httpx.Client(base_url=stack.gateway.url) as client, client.stream("GET", job["urls"]["events"]) as answer:
        next(answer.iter_raw())
    wait_until(lambda: _num_streams(stack.gateway) == 0, 5, "a stream is still open")
    assert stack.store.read(job["id"], "default").status == "running"
    hand.succeed(hand.text())


@pytest.fixture
def own(valkey_server: ValkeyServer, tmp_path: Path) -> Iterator[tuple[GatewayProcess, JobStore]]:
    """A gateway and a store of this test alone."""
    announce(valkey_server.url)
    store = store_of(valkey_server.url)
    with running_gateway(valkey_server.url, tmp_path) as gateway:
        yield gateway, store
    store.client.close()


def test_many_streams_opened_and_dropped_leave_nothing(own: tuple[GatewayProcess, JobStore]) -> None:
    gateway, store = own
    with ExitStack() as stack:
        connections = [
            stack.enter_context(dropped_after(gateway, *ROUTES[number % len(ROUTES)])) for number in range(100)
        ]
        wait_until(lambda: store.num_live() == 100, 20, "not all are submitted")
        # Half of them run, and tell, when their clients go.
        hands = [Hand(store) for _ in range(50)]
        for hand in hands:
            hand.tell(*hand.text(PROMPT)[:2])
        wait_until(lambda: _num_begun(connections) == 50, 20, "not all have begun")
    for hand in hands:
        end_of(store, hand.claim.id, 10)
        hand.tell(*hand.text(PROMPT)[2:4])
        store.stopped(hand.claim)
    wait_until(lambda: store.num_live() == 0, 5, "jobs are left")
    assert set(store.num_finished()) == {(UNSERVED_WRITER, "cancelled")}
    wait_until(lambda: _num_streams(gateway) == 0, 5, "streams are left")


def test_streams_of_all_kinds_share_one_limit(valkey_server: ValkeyServer, tmp_path: Path) -> None:
    announce(valkey_server.url)
    store = store_of(valkey_server.url)
    with running_gateway(valkey_server.url, tmp_path, TRIPTYCH_MAX_STREAMS="2") as gateway, ExitStack() as stack:
        job = httpx.post(f"{gateway.url}/v1/jobs", json={"task": "generate", **GENERATE}).json()
        stack.enter_context(httpx.stream("GET", gateway.url + job["urls"]["events"]))
        stack.enter_context(dropped_after(gateway, "/v1/chat/completions", CHAT))
        wait_until(lambda: store.num_live() == 2, 5, "not submitted")
        for path, body in ROUTES:
            refused = httpx.post(gateway.url + path, json=body)
            assert (refused.status_code, refused.json()["error"]["code"]) == (503, "too_many_streams")
        assert store.num_live() == 2
    store.client.close()


def _num_begun(connections: list[Any]) -> int:
    return len(select.select(connections, [], [], 0)[0])


def test_a_gateway_that_stops_says_so_and_leaves_what_has_begun(own: tuple[GatewayProcess, JobStore]) -> None:
    gateway, store = own
    reader = Reader(gateway, "/v1/generate", GENERATE)
    hand = Hand(store)
    pieces = hand.text(PROMPT)
    hand.tell(*pieces[:2])
    wait_until(lambda: reader.status, 5, "the stream has not begun")
    waiting = Reader(gateway, "/v1/completions", COMPLETION)
    wait_until(lambda: store.num_live() == 2, 5, "not submitted")
    gateway.stop()
    last = reader.end()[-1]["data"]
    assert last["error_type"] == "gateway_stopping" and hand.claim.id in last["error"]
    assert store.read(hand.claim.id, "default").status == "running"
    # What has told nothing yet can be asked for again elsewhere.
    assert waiting.end() == [] and (waiting.status, waiting.error["code"]) == (503, "gateway_stopping")
    assert store.num_live() == 1


def test_a_stream_whose_job_waits_long_begins_without_a_text(valkey_server: ValkeyServer, tmp_path: Path) -> None:
    announce(valkey_server.url)
    store = store_of(valkey_server.url)
    with (
        running_gateway(valkey_server.url, tmp_path, TRIPTYCH_MAX_WAIT_S="0") as gateway,
        openai.OpenAI(base_url=f"{gateway.url}/v1", api_key="x", max_retries=0) as client,
    ):
        chunks = client.completions.create(**COMPLETION)
        hand = Hand(store)
        hand.tell(*hand.text(PROMPT)[:3])
        hand.succeed(hand.text(PROMPT))
        assert "".join(chunk.choices[0].text for chunk in chunks) == TEXT
        answer = httpx.post(f"{gateway.url}/v1/completions", json={**COMPLETION, "stream": False})
        assert (answer.status_code, answer.json()["error"]["code"]) == (504, "wait_exceeded")
        # Else OpenAI's library would ask again, and make another job each time.
        assert answer.headers["X-Should-Retry"] == "false"
    store.client.close()


def _newest(stack: Stack) -> str:
    def newest() -> Any:
        jobs = httpx.get(f"{stack.gateway.url}/v1/jobs", params={"task": "generate", "status": "queued"}).json()["data"]
        return jobs[0]["id"] if jobs else None

    found: str = wait_until(newest, 10, "no job")
    return found


def _num_streams(gateway: GatewayProcess) -> int:
    found = re.search(r"^triptych_streams_open (\d+)", httpx.get(f"{gateway.url}/metrics").text, re.MULTILINE)
    assert found is not None
    return int(found[1])
