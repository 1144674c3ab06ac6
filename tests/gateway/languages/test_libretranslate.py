"""LibreTranslate's routes: JSON and forms, the choice of the model for a pair of languages, and errors."""

import json
import threading
from typing import Any

import httpx
import pytest

from contracts.errors import InputTooLong, InvalidRequest, TriptychError
from tests.gateway.conftest import Stack
from tests.gateway.fakes.manual_worker import ManualWorker
from tests.gateway.fakes.seq2seq import MANY_TRANSLATOR, TRANSLATOR, UNSERVED_TRANSLATOR
from tests.support.waiting import PATIENCE_S

GOOD: dict[str, Any] = {"q": "One. Two", "source": "en", "target": "de"}


def model_of(http: httpx.Client, answer: httpx.Response) -> str:
    return str(http.get(f"/v1/jobs/{answer.headers['X-Triptych-Job-Id']}").json()["model"])


@pytest.mark.parametrize("kind", ["json", "data"])
@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, {"translatedText": "ONE. TWO"}),
        ({"q": ["a", "b", "a"]}, {"translatedText": ["A", "B", "A"]}),
        ({"q": "Zwei 🎭 & 100%=ü+\u00a0"}, {"translatedText": "ZWEI 🎭 & 100%=Ü+\u00a0"}),
        ({"format": "html", "q": "<b>a</b>"}, {"translatedText": "<B>A</B>"}),
        ({"alternatives": 0, "api_key": ""}, {"translatedText": "ONE. TWO"}),
        # A text that two beams have is listed once.
        ({"alternatives": 3}, {"translatedText": "ONE. TWO", "alternatives": ["ONE. TWO 1", "ONE. TWO 3"]}),
        (
            {"alternatives": 1, "q": ["a", "b"]},
            {"translatedText": ["A", "B"], "alternatives": [["A 1"], ["B 1"]]},
        ),
        (
            {"source": "auto"},
            {"translatedText": "ONE. TWO", "detectedLanguage": {"language": "en", "confidence": 100.0}},
        ),
        (
            {"source": "auto", "q": ["a", "b"]},
            {"translatedText": ["A", "B"], "detectedLanguage": [{"language": "en", "confidence": 100.0}] * 2},
        ),
        ({"source": "de"}, {"translatedText": "One. Two"}),
        (
            {"source": "de", "q": ["x", "y"], "alternatives": 2},
            {"translatedText": ["x", "y"], "alternatives": [[], []]},
        ),
    ],
)
def test_texts_are_translated(http: httpx.Client, kind: Any, fields: dict[str, Any], expected: dict[str, Any]) -> None:
    options: dict[str, Any] = {kind: {**GOOD, **fields}}
    answer = http.post("/translate", **options)
    assert (answer.status_code, answer.json()) == (200, expected)


def test_null_counts_as_not_given(http: httpx.Client) -> None:
    answer = http.post("/translate", json={**GOOD, "format": None, "alternatives": None, "api_key": None})
    assert answer.json() == {"translatedText": "ONE. TWO"}


def test_line_breaks_of_forms_are_normalized(http: httpx.Client) -> None:
    assert http.post("/translate", data={**GOOD, "q": "a\r\nb\n"}).json() == {"translatedText": "A\nB\n"}
    assert http.post("/translate", json={**GOOD, "q": "a\r\nb\n"}).json() == {"translatedText": "A\r\nB\n"}


def test_the_first_model_that_has_both_languages_is_chosen(stack: Stack, http: httpx.Client) -> None:
    for source, target, model in (
        ("en", "fr", TRANSLATOR),
        ("fr", "en", MANY_TRANSLATOR),
        ("en", "ga", MANY_TRANSLATOR),
    ):
        answer = http.post("/translate", json={**GOOD, "source": source, "target": target})
        assert model_of(http, answer) == model
    named = http.post("/translate", json={**GOOD, "target": "fr", "model": MANY_TRANSLATOR})
    assert model_of(http, named) == MANY_TRANSLATOR
    body = {**GOOD, "source": "xx", "target": "yy", "alternatives": 5, "format": "html"}
    assert http.post("/translate", json=body, headers={"Prefer": "respond-async"}).status_code == 202
    worker = ManualWorker(stack.store)
    assert worker.request["inputs"] == ["One. Two"]
    wanted = worker.parameters
    assert (wanted.src_lang, wanted.tgt_lang, wanted.format) == ("xx", "yy", "html")
    assert (wanted.generate_parameters.num_beams, wanted.generate_parameters.num_return_sequences) == (6, 6)
    worker.fail(TriptychError())


def test_languages_are_listed_with_their_targets(http: httpx.Client) -> None:
    found = {one["code"]: one for one in http.get("/languages").json()}
    assert list(found) == ["de", "en", "fr", "ga", "pt-BR", "xx", "yy"]
    assert found["en"] == {"code": "en", "name": "English", "targets": ["de", "en", "fr", "ga"]}
    assert found["pt-BR"] == {"code": "pt-BR", "name": "Portuguese", "targets": ["en", "fr", "ga", "pt-BR"]}
    assert found["ga"]["targets"] == ["ga"]


BAD: list[tuple[dict[str, Any], str]] = [
    ({"q": ""}, "q: "),
    ({"q": " \n"}, "q: Expected a text that is not blank."),
    ({"q": ["x", " "]}, "q[1]: Expected a text that is not blank."),
    ({"q": []}, "q: "),
    ({"q": None}, "q: "),
    ({"q": 5}, "q: "),
    ({"q": [["x"]]}, "q[0]: "),
    ({"q": ["x"] * 2049}, "q: "),
    ({"source": "tlh"}, "source: 'tlh' is not supported. Languages: de, en, fr, ga, pt-BR, xx, yy."),
    ({"target": "tlh"}, "target: 'tlh' is not supported. Languages: de"),
    ({"source": "tlh", "target": "tlh"}, "source: 'tlh' is not supported."),
    ({"target": "auto"}, "target: 'auto' is not supported"),
    ({"source": "fr"}, "target: German (de) is not available from French (fr). From there: en, ga."),
    ({"source": "de", "target": "en"}, "target: English (en) is not available from German (de). From there: nothing."),
    ({"source": "auto", "target": "en"}, "source: Languages are not detected here"),
    ({"source": "en", "target": "de", "model": MANY_TRANSLATOR}, "target: 'de' is not supported"),
    ({"model": "nobody"}, "model: No model 'nobody' for the task translate."),
    ({"format": "xml"}, "format: "),
    ({"alternatives": -1}, "alternatives: "),
    ({"alternatives": 16}, "alternatives: "),
    ({"alternatives": "many"}, "alternatives: "),
    ({"source": "x" * 65}, "source: "),
    ({"model": ""}, "model: "),
    ({"stream": True}, "stream: "),
]


@pytest.mark.parametrize("kind", ["json", "data"])
@pytest.mark.parametrize(("fields", "problem"), BAD, ids=lambda value: str(value)[:40])
def test_errors_are_in_libretranslates_format(
    http: httpx.Client, kind: str, fields: dict[str, Any], problem: str
) -> None:
    if kind == "data" and fields in ({"q": 5}, {"q": [["x"]]}):
        return  # a form has texts only
    body = {name: value for name, value in {**GOOD, **fields}.items() if kind == "json" or value is not None}
    options: dict[str, Any] = {kind: body}
    answer = http.post("/translate", **options)
    assert answer.status_code == 400, answer.text
    assert set(answer.json()) == {"error"}
    found = answer.json()["error"]
    assert found.startswith(problem) or (fields == {"q": []} and kind == "data"), found
    assert len(answer.content) < 1000


@pytest.mark.parametrize(
    ("raw", "content_type", "status", "problem"),
    [
        (b"{", "application/json", 400, "not JSON"),
        (b"[" * 200_000, "application/json", 400, "nested"),
        (b'{"q":' + b"[" * 99_999, "application/json", 400, ""),
        (b'{"q":"x","q":"y"}', "application/json", 400, "twice"),
        (b'{"q":"\\ud800"}', "application/json", 400, "surrogate"),
        (b"5", "application/json", 400, ""),
        (b"", "application/json", 400, "not JSON"),
        (b"", "application/x-www-form-urlencoded", 400, "q: "),
        (b"q=%ff&source=en&target=de", "application/x-www-form-urlencoded", 400, "not UTF-8"),
        (b"q=\xff&source=en&target=de", "application/x-www-form-urlencoded", 400, "not UTF-8"),
        (b"q=%00&source=en&target=de", "application/x-www-form-urlencoded", 400, "NUL"),
        (b"q=100%&source=en&target=de", "application/x-www-form-urlencoded", 400, "%25"),
        (b"q=%ed%a0%80&source=en&target=de", "application/x-www-form-urlencoded", 400, "not UTF-8"),
        (b"&" * 1_000_000, "application/x-www-form-urlencoded", 400, "fields"),
        (b"q=a&" * 5000, "application/x-www-form-urlencoded", 400, "fields"),
        (b"q=a&source=en&source=de&target=fr", "application/x-www-form-urlencoded", 400, "source: "),
        (b"q=a&source=en&target=de&alternatives=1e3", "application/x-www-form-urlencoded", 400, "alternatives: "),
        (b"%41" * 300_000, "application/x-www-form-urlencoded", 400, ""),
        (b"q=x", "multipart/form-data; boundary=x", 415, "multipart/form-data is not supported"),
        (b"q=x", "text/plain", 415, "application/json"),
    ],
)
def test_hostile_bodies_are_refused(
    http: httpx.Client, raw: bytes, content_type: str, status: int, problem: str
) -> None:
    answer = http.post("/translate", content=raw, headers={"Content-Type": content_type})
    assert (answer.status_code, set(answer.json())) == (status, {"error"}), answer.text
    assert problem in answer.json()["error"] and len(answer.content) < 1000


def test_a_form_need_not_be_escaped(http: httpx.Client) -> None:
    raw = "q=Zwei 🎭=2&source=en&target=de&".encode()
    answer = http.post("/translate", content=raw, headers={"Content-Type": "application/x-www-form-urlencoded"})
    assert answer.json() == {"translatedText": "ZWEI 🎭=2"}


def test_pages_of_other_sites_cannot_send_forms(stack: Stack, http: httpx.Client) -> None:
    for origin in ("https://evil.example", "null", "http://127.0.0.1:1"):
        answer = http.post("/translate", data=GOOD, headers={"Origin": origin})
        assert (answer.status_code, set(answer.json())) == (403, {"error"})
    for origin in (stack.gateway.url, "chrome-extension://abc", "moz-extension://abc"):
        assert http.post("/translate", data=GOOD, headers={"Origin": origin}).status_code == 200


@pytest.mark.parametrize("kind", ["json", "data"])
def test_a_megabyte_of_one_character_is_translated(http: httpx.Client, kind: Any) -> None:
    options: dict[str, Any] = {kind: {**GOOD, "q": "x" * 1_000_000}}
    assert http.post("/translate", **options).json() == {"translatedText": "X" * 1_000_000}
    options = {kind: {**GOOD, "q": "x" * 9_000_000}}
    answer = http.post("/translate", **options)
    assert answer.status_code == 413 and "larger than" in answer.json()["error"]


def test_a_job_is_returned_only_if_preferred(stack: Stack, http: httpx.Client) -> None:
    body = {**GOOD, "source": "xx", "target": "yy", "model": UNSERVED_TRANSLATOR}
    answer = http.post("/translate", json=body, headers={"Prefer": "wait=0.1"})
    assert (answer.status_code, answer.json()["task"]) == (202, "translate")
    ManualWorker(stack.store).fail(InputTooLong("inputs[0] has 99 tokens.", param="inputs[0]"))
    assert http.get(answer.headers["Location"]).json()["status"] == "failed"
    again = {"Idempotency-Key": "libre"}
    first, second = (http.post("/translate", json=GOOD, headers=again) for _ in range(2))
    assert first.json() == second.json() and second.headers["Idempotent-Replayed"] == "true"
    assert http.post("/translate", json={**GOOD, "q": "other"}, headers=again).status_code == 400
    # The key that says who asks is no part of what is asked.
    replayed = http.post("/translate", json={**GOOD, "api_key": "x"}, headers=again)
    assert replayed.headers["Idempotent-Replayed"] == "true"


def test_an_error_about_beams_names_the_field_alternatives(stack: Stack) -> None:
    body = {**GOOD, "source": "xx", "target": "yy", "alternatives": 15}
    found: list[httpx.Response] = []
    url = f"{stack.gateway.url}/translate"
    client = threading.Thread(target=lambda: found.append(httpx.post(url, json=body, timeout=PATIENCE_S)))
    client.start()
    path = "parameters.generate_parameters.num_beams"
    ManualWorker(stack.store).fail(InvalidRequest("num_beams is 16; it may be 8.", param=path))
    client.join(PATIENCE_S)
    assert (found[0].status_code, found[0].json()) == (400, {"error": "alternatives: num_beams is 16; it may be 8."})


def test_the_error_of_a_failed_job_names_the_text(http: httpx.Client) -> None:
    answer = http.post("/translate", json={**GOOD, "q": "fail now"})
    assert (answer.status_code, answer.json()) == (400, {"error": "q has 99 tokens."})
    assert json.loads(answer.content)
