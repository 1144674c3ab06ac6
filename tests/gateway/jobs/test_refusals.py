"""What can't be done by its deadline is refused at once, in the format of each API, and nothing is written."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.gateway.fakes.generation import UNSERVED_GENERATOR
from tests.gateway.fakes.seq2seq import UNSERVED_CORRECTOR, UNSERVED_TRANSLATOR
from tests.gateway.fakes.worker import UNSERVED
from tests.gateway.jobs.measured import Measured, running_measured


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Measured]:
    settings = {
        "TRIPTYCH_DEADLINE_S": "40",
        "TRIPTYCH_TENANT_MAX_DEADLINE_S": "200",
        "TRIPTYCH_MAX_WAIT_S": "2",
    }
    with running_measured(tmp_path_factory.mktemp("refusals"), **settings) as found:
        yield found


def test_what_takes_too_long_even_alone_is_the_requests_fault(measured: Measured) -> None:
    before = measured.store.num_live(), measured.metric('triptych_refused_total{reason="deadline_unreachable"}')
    answer = measured.submit(100, deadline_s=30)
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["param"]) == (422, "deadline_unreachable", "deadline_s")
    # The work, what is done of it in a second, the deadline, and what would help.
    assert "about 100 work-seconds, of which a worker of model unserved-embed does 2 in a second" in error["message"]
    for part in ("deadline_s of 30", "fewer inputs", "longer deadline_s"):
        assert part in error["message"], part
    assert "bulk" not in error["message"], "a lane changes no deadline that the request sets"
    assert "Retry-After" not in answer.headers
    after = measured.store.num_live(), measured.metric('triptych_refused_total{reason="deadline_unreachable"}')
    assert after == (before[0], before[1] + 1)
    # Half a second later it would be no other.
    assert measured.submit(100, deadline_s=70).status_code == 202


def test_what_an_attempt_has_no_time_for_is_refused(measured: Measured) -> None:
    """It would be accepted in vain: the worker gives it up after its ``timeout_s``."""
    answer = measured.submit(30, timeout_s=10)
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["param"]) == (422, "deadline_unreachable", "timeout_s")
    assert "timeout_s of 10" in error["message"] and "set a longer timeout_s" in error["message"]
    assert measured.submit(30, timeout_s=20).status_code == 202


def generate(measured: Measured, max_new_tokens: int, **fields: Any) -> httpx.Response:
    parameters = {"max_new_tokens": max_new_tokens}
    body = {"task": "generate", "model": UNSERVED_GENERATOR, "inputs": "a", "parameters": parameters, **fields}
    return measured.http.post("/v1/jobs", json=body)


def test_a_long_text_takes_its_tokens_one_after_another(measured: Measured) -> None:
    """Of a full worker it takes a small part, but for a long time."""
    error = generate(measured, 40).json()["error"]
    assert (error["code"], error["param"]) == ("deadline_unreachable", "deadline_s")
    assert "and 40 s to write its longest text" in error["message"] and "priority to bulk" in error["message"]
    job = generate(measured, 20)
    assert (job.status_code, job.json()["queue"]["eta_s"], job.headers["Retry-After"]) == (202, 20.0, "20")
    assert measured.view(job.json())["queue"]["eta_s"] == 20.0
    # It would be done in time if it began at once.
    assert generate(measured, 1, inputs=["a"] * 20).status_code == 202
    assert generate(measured, 30).json()["error"]["code"] == "queue_full"


def test_no_advice_is_given_that_a_client_cannot_follow(measured: Measured) -> None:
    texts = ["a text"] * 80
    error = measured.submit(400, priority="bulk").json()["error"]
    assert "bulk" not in error["message"] and "set a longer" not in error["message"], error["message"]
    assert "max_deadline_s is 200 (set by TRIPTYCH_TENANT_MAX_DEADLINE_S)" in error["message"]
    error = measured.http.post("/v1/embeddings", json={"model": UNSERVED, "input": texts}).json()["error"]
    assert (error["code"], error["param"]) == ("deadline_unreachable", None)
    assert "priority to bulk" in error["message"] and "longer deadline_s" not in error["message"]
    message = measured.http.post("/translate", json={"q": texts, "source": "xx", "target": "yy"}).json()["error"]
    assert "Send fewer inputs" in message and "longer deadline_s" not in message and "bulk" not in message


def test_what_does_not_fit_behind_others_is_told_when_it_would(measured: Measured) -> None:
    measured.submit(40, deadline_s=100)
    num_live = measured.store.num_live()
    answer = measured.submit(1, deadline_s=10)
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["type"]) == (503, "queue_full", "server_error")
    assert measured.store.num_live() == num_live
    # Done after 20.5 s as it is, and to be done in 9: so 11.5 s from now on.
    assert (
        answer.headers["Retry-After"] == "12" and "try again in 12 s. Or set a longer deadline_s." in error["message"]
    )
    assert error["param"] == "deadline_s" and "bulk" not in error["message"]
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
    assert ("set a longer deadline_s" in sentence(answer)) == (call is stream)
    assert ("set priority to bulk" in sentence(answer)) == (call in (stream, openai))
