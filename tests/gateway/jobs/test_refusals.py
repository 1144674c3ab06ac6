"""What can't be done by its deadline is refused at once, in the format of each API, and nothing is written."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.gateway.fakes.seq2seq import UNSERVED_CORRECTOR, UNSERVED_TRANSLATOR
from tests.gateway.fakes.worker import UNSERVED
from tests.gateway.jobs.measured import Measured, running_measured


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Measured]:
    with running_measured(
        tmp_path_factory.mktemp("refusals"), TRIPTYCH_DEADLINE_S="40", TRIPTYCH_MAX_WAIT_S="2"
    ) as found:
        yield found


@pytest.fixture
def measured(running: Measured) -> Iterator[Measured]:
    yield running
    running.end_all()


def test_what_takes_too_long_even_alone_is_the_requests_fault(measured: Measured) -> None:
    before = measured.store.num_live(), measured.metric('triptych_refused_total{reason="deadline_unreachable"}')
    answer = measured.submit(100, deadline_s=30)
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["param"]) == (422, "deadline_unreachable", "deadline_s")
    # The work, what is done of it in a second, the deadline, and what would help.
    assert "about 100 work-seconds, of which a worker of model unserved-embed does 2 in a second" in error["message"]
    for part in ("deadline_s of 30", "fewer inputs", "longer deadline_s", "priority to bulk"):
        assert part in error["message"], part
    assert "Retry-After" not in answer.headers
    after = measured.store.num_live(), measured.metric('triptych_refused_total{reason="deadline_unreachable"}')
    assert after == (before[0], before[1] + 1)
    # Half a second later it would be no other.
    assert measured.submit(100, deadline_s=70).status_code == 202


def test_what_does_not_fit_behind_others_is_told_when_it_would(measured: Measured) -> None:
    measured.submit(40, deadline_s=100)
    num_live = measured.store.num_live()
    answer = measured.submit(1, deadline_s=10)
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["type"]) == (503, "queue_full", "server_error")
    assert measured.store.num_live() == num_live
    # Done after 20.5 s as it is, and to be done in 9: so 11.5 s from now on.
    assert answer.headers["Retry-After"] == "12"
    assert measured.submit(1, deadline_s=30).status_code == 202


def test_it_fits_once_those_before_it_are_done(measured: Measured) -> None:
    measured.submit(40, deadline_s=100)
    assert measured.submit(1, deadline_s=10).status_code == 503
    measured.succeed(measured.claim(), work_s=40.0)
    assert measured.submit(1, deadline_s=10).status_code == 202


def test_a_replayed_request_is_not_refused(measured: Measured) -> None:
    body = {"task": "embed", "model": UNSERVED, "inputs": "a text", "deadline_s": 10}
    key = {"Idempotency-Key": "accepted before"}
    made = measured.http.post("/v1/jobs", json=body, headers=key).json()
    measured.submit(40, deadline_s=100, priority="default")
    again = measured.http.post("/v1/jobs", json=body, headers=key)
    assert (again.status_code, again.json()["id"]) == (202, made["id"])


def libretranslate(http: httpx.Client) -> httpx.Response:
    return http.post("/translate", json={"q": "a text", "source": "xx", "target": "yy"})


def languagetool(http: httpx.Client) -> httpx.Response:
    return http.post("/v2/check", data={"text": "a text", "language": "xx"})


def openai(http: httpx.Client) -> httpx.Response:
    return http.post("/v1/embeddings", json={"model": UNSERVED, "input": "a text"})


def stream(http: httpx.Client) -> httpx.Response:
    return http.post("/v1/translate", json={"model": UNSERVED_TRANSLATOR, "inputs": "a text", "stream": True})


@pytest.mark.parametrize(
    ("call", "task", "model", "sentence"),
    [
        (openai, "embed", UNSERVED, lambda answer: answer.json()["error"]["message"]),
        (stream, "translate", UNSERVED_TRANSLATOR, lambda answer: answer.json()["error"]["message"]),
        (libretranslate, "translate", UNSERVED_TRANSLATOR, lambda answer: answer.json()["error"]),
        (languagetool, "denoise", UNSERVED_CORRECTOR, lambda answer: answer.text.removeprefix("Error: ")),
    ],
)
def test_every_api_refuses_in_its_own_format(
    measured: Measured, call: Any, task: str, model: str, sentence: Any
) -> None:
    fields = {"task": task, "model": model, "priority": "interactive", "deadline_s": 200}
    for _ in range(2):
        assert measured.submit(70, **fields).status_code == 202
    answer = call(measured.http)
    assert answer.status_code == 503, answer.text
    assert int(answer.headers["Retry-After"]) > 1
    assert "Nothing was accepted" in sentence(answer)
