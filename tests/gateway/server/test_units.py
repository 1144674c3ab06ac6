"""Units of the gateway, without a store and without HTTP."""

import json
from typing import Any
from urllib.parse import urlencode

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.errors import InvalidRequest, MalformedBody
from contracts.settings import SettingsError
from contracts.shapes import Shape
from services.gateway.http import prefer
from services.gateway.http.body import parse
from services.gateway.http.form import parse_form
from services.gateway.http.query import as_cursor
from services.gateway.http.validation import check, refuse_blank
from services.gateway.jobs.submission import JOB_BODIES, TASK_BODIES, check_job, check_submission
from services.gateway.jobs.waiting import WakeUps
from services.gateway.settings import GatewaySettings

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT,
    lambda inner: st.lists(inner) | st.dictionaries(TEXT, inner),
    max_leaves=20,
)  # fmt: skip


@given(JSON)
def test_every_json_document_is_parsed_to_itself(document: Any) -> None:
    assert parse(json.dumps(document).encode()) == document
    assert parse(json.dumps(document, ensure_ascii=False).encode()) == document


@given(st.binary(max_size=60) | st.text(alphabet='{}[]",:\\u0nad8e+-. \x00\ud800', max_size=60))
def test_any_bytes_are_parsed_or_refused(raw: bytes | str) -> None:
    try:
        parse(raw.encode(errors="surrogatepass") if isinstance(raw, str) else raw)
    except MalformedBody as error:
        assert error.message.encode() and (error.param or "").encode() is not None


@given(st.dictionaries(TEXT, st.lists(TEXT, min_size=1)))
def test_every_form_is_parsed_to_its_fields(fields: dict[str, list[str]]) -> None:
    expected = {name: values if len(values) > 1 else values[0] for name, values in fields.items()}
    assert parse_form(urlencode(fields, doseq=True).encode()) == expected


@given(st.binary(max_size=60) | st.text(alphabet="%+=&4fFzq\n\r \x00\u00e4=", max_size=60))
def test_any_bytes_of_a_form_are_parsed_or_refused(raw: bytes | str) -> None:
    try:
        found = parse_form(raw if isinstance(raw, bytes) else raw.encode())
    except MalformedBody:
        return
    assert b"\x00" not in json.dumps(found, ensure_ascii=False).encode()


@given(JSON)
def test_any_document_is_a_submission_or_refused(document: Any) -> None:
    for parsed in (check_job, lambda value: check_submission(value, TASK_BODIES["classify"])):
        try:
            parsed(document)
        except InvalidRequest as error:
            assert error.http_status == 422


@given(TEXT)
def test_any_preference_is_parsed_or_ignored(header: str) -> None:
    found = prefer.parse(header, default_wait_s=60, max_wait_s=60)
    assert 0 <= found.wait_s <= 60


@pytest.mark.parametrize(
    ("header", "wait_s", "applied"),
    [
        ("", 7, ""),
        ("respond-async", 0, "respond-async"),
        ("wait=5", 5, "wait=5"),
        ("wait=2.5", 2.5, "wait=2.5"),
        ("respond-async,wait=5", 5, "respond-async, wait=5"),
        ("wait=99", 60, "wait=60"),
        ("wait=5, wait=9", 5, "wait=5"),
        ("wait=-5", 7, ""),
        ("wait", 7, ""),
        ("awaiting=5", 7, ""),
    ],
)
def test_preferences(header: str, wait_s: float, applied: str) -> None:
    assert prefer.parse(header, default_wait_s=7, max_wait_s=60) == prefer.Preference(wait_s, applied)


def test_a_task_has_the_same_fields_in_jobs_and_task_routes() -> None:
    assert set(JOB_BODIES) == set(TASK_BODIES)
    submission = check_job({"task": "embed", "inputs": "x", "parameters": {"truncate": "left"}})
    other = check_submission({"inputs": "x", "parameters": {"truncate": "left"}}, TASK_BODIES[submission.spec.name])
    assert msgspec.structs.asdict(submission) == msgspec.structs.asdict(other)


class _Passage(Shape, frozen=True):
    title: str
    lines: list[str]


class _Question(Shape, frozen=True, rename="camel"):
    asked_text: str
    passages: list[_Passage]
    top_k: int = 1


@pytest.mark.parametrize(
    ("question", "param"),
    [
        ({}, None),
        ({"askedText": " "}, "inputs.askedText"),
        ({"passages": [{"title": "a", "lines": ["b"]}, {"title": "\n", "lines": []}]}, "inputs.passages[1].title"),
        ({"passages": [{"title": "a", "lines": ["b", "\t "]}]}, "inputs.passages[0].lines[1]"),
    ],
)
def test_blank_texts_are_found_in_structs_of_any_shape(question: dict[str, Any], param: str | None) -> None:
    inputs = check({"askedText": "Who?", "passages": [], "topK": 3, **question}, _Question)
    if param is None:
        refuse_blank("inputs", inputs)
        return
    with pytest.raises(InvalidRequest, match="not blank") as caught:
        refuse_blank("inputs", inputs)
    assert caught.value.param == param


@pytest.mark.parametrize(
    ("host", "loopback"),
    [("127.0.0.1", True), ("127.9.9.9", True), ("::1", True), ("localhost", True), ("0.0.0.0", False), ("::", False),
     ("10.0.0.1", False), ("example.org", False)],
)  # fmt: skip
def test_only_loopback_addresses_are_open_by_default(host: str, loopback: bool) -> None:
    settings = GatewaySettings.read({"TRIPTYCH_HOST": host})
    assert settings.on_loopback is loopback
    assert settings.always_needs_key is not loopback
    assert not GatewaySettings.read({"TRIPTYCH_HOST": host, "TRIPTYCH_ALLOW_OPEN": "1"}).always_needs_key


def test_settings_have_the_defaults_that_they_document() -> None:
    assert GatewaySettings.read({}) == GatewaySettings()
    models = GatewaySettings.read({"TRIPTYCH_DEFAULT_MODELS": " embed = a , classify=b "}).default_models
    assert models == {"embed": "a", "classify": "b"}
    models = GatewaySettings.read({"TRIPTYCH_DEFAULT_MODELS": "feature-extraction=a"}).default_models
    assert models == {"embed": "a"}
    for wrong in ("embed", "fly=a", "ner=a"):
        with pytest.raises(SettingsError, match=r"TRIPTYCH_DEFAULT_MODELS=.*: expected .* of embed, classify, "):
            GatewaySettings.read({"TRIPTYCH_DEFAULT_MODELS": wrong})


def test_a_wake_up_reaches_the_waiters_of_its_job_only() -> None:
    wake_ups = WakeUps()
    with wake_ups.watch("a") as first, wake_ups.watch("a") as second, wake_ups.watch("b") as other:
        wake_ups.wake("a")
        assert (first.is_set(), second.is_set(), other.is_set()) == (True, True, False)
        wake_ups.wake_all()
        assert other.is_set()
    assert wake_ups._waiting == {}


def test_a_position_in_a_list_becomes_a_cursor() -> None:
    assert as_cursor(None) is None
    assert as_cursor((1.5, "A" * 22)) == as_cursor((1.5, "A" * 22)) != as_cursor((1.6, "A" * 22))
