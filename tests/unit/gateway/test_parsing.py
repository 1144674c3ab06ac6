"""Parsers of JSON bodies, forms, the Prefer header and cursors."""

import json
from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.errors import MalformedBody
from services.gateway.http import prefer
from services.gateway.http.bodies.form_fields import parse_form
from services.gateway.http.bodies.strict_json import parse
from services.gateway.http.query import as_cursor
from tests.unit.gateway.documents import JSON, TEXT


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


def test_a_position_in_a_list_becomes_a_cursor() -> None:
    assert as_cursor(None) is None
    assert as_cursor((1.5, "A" * 22)) == as_cursor((1.5, "A" * 22)) != as_cursor((1.6, "A" * 22))
