"""LanguageTool's routes: matches in UTF-16 code units of the text as it was sent, markup, and errors."""

import json
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.seq2seq import DenoiseOutput, Edit
from services.gateway.languages.languagetool.checked_text import CheckedText, parse_checked_text
from services.gateway.languages.languagetool.matches import MAX_MATCHES, MAX_SENTENCE, matches_of
from tests.gateway.conftest import Stack
from tests.gateway.fakes.manual_worker import ManualWorker
from tests.gateway.fakes.seq2seq import CORRECTOR, UNSERVED_CORRECTOR

PLAIN_TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"))


def check(http: httpx.Client, text: str, **fields: str) -> dict[str, Any]:
    answer = http.post("/v2/check", data={"text": text, "language": "en-US", **fields})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def corrected(text: str, matches: list[dict[str, Any]]) -> str:
    """Return a text as a client of LanguageTool corrects it, which counts in UTF-16."""
    units = text.encode("utf-16-le")
    for match in reversed(matches):
        start, end = 2 * match["offset"], 2 * (match["offset"] + match["length"])
        units = units[:start] + match["replacements"][0]["value"].encode("utf-16-le") + units[end:]
    return units.decode("utf-16-le")


def test_a_check_returns_matches(http: httpx.Client) -> None:
    text = "All is well.  See teh cat. Bye."
    answer = check(http, text)
    assert set(answer) == {"software", "warnings", "language", "matches"}
    assert (answer["software"]["name"], answer["software"]["apiVersion"]) == ("Triptych", 1)
    assert set(answer["software"]) == {"name", "version", "buildDate", "apiVersion", "premium", "status"}
    language = {"name": "English", "code": "en-US"}
    assert answer["language"] == {**language, "detectedLanguage": {**language, "confidence": 1.0}}
    assert answer["warnings"] == {"incompleteResults": False}
    (match,) = answer["matches"]
    assert match["message"] and match["shortMessage"]
    assert (match["offset"], match["length"], match["replacements"]) == (18, 3, [{"value": "the"}])
    assert match["context"] == {"text": text, "offset": 18, "length": 3}
    assert match["sentence"] == "See teh cat."
    rule = match["rule"]
    assert rule["issueType"] == "misspelling" and rule["category"] == {"id": "TYPOS", "name": "Possible Typo"}
    assert rule["id"] and rule["description"] and match["type"] == {"typeName": "UnknownWord"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("teh", "the"),
        ("🎭 teh 🎭🎭 hte", "🎭 the 🎭 the"),
        ("x\r\n🎭 dont, e\u0301 dont", "x\r\n🎭 don't, e\u0301 don't"),
        ("very very gooood", "very good"),
        ("🎭🎭", "🎭"),
        ("all is well 🎭", "all is well 🎭"),
    ],
)
def test_offsets_count_utf_16_units(http: httpx.Client, text: str, expected: str) -> None:
    matches = check(http, text)["matches"]
    assert corrected(text, matches) == expected
    for match in matches:
        assert match["length"] > 0
        around = match["context"]["text"].encode("utf-16-le")
        start, end = 2 * match["context"]["offset"], 2 * (match["context"]["offset"] + match["length"])
        assert around[start:end].decode("utf-16-le") in text


def test_an_insertion_replaces_a_visible_neighbour() -> None:
    def shown(plain: str, offset: int) -> tuple[int, int, str]:
        ((match,), _) = matches_of(CheckedText([(plain, plain)]), [Edit(offset, 0, ["+"])])
        return match.offset, match.length, match.replacements[0].value

    assert shown("ab", 1) == (0, 1, "a+")
    assert shown("ab", 2) == (1, 1, "b+")
    assert shown("ab", 0) == (0, 1, "+a")
    assert shown("a b", 2) == (2, 1, "+b")
    assert shown("a ", 2) == (1, 1, " +")


@given(PLAIN_TEXT, st.data())
def test_any_edit_of_any_text_has_the_right_offsets(text: str, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, len(text)))
    value = data.draw(PLAIN_TEXT)
    matches, more = matches_of(CheckedText([(text, text)]), [Edit(start, end - start, [value])])
    assert not more
    if not text:
        return
    found = [
        {"offset": one.offset, "length": one.length, "replacements": [{"value": one.replacements[0].value}]}
        for one in matches
    ]
    assert corrected(text, found) == text[:start] + value + text[end:]
    assert all(len(one.sentence) <= 2 * MAX_SENTENCE + end - start for one in matches)


def test_offsets_count_the_markup(http: httpx.Client) -> None:
    parts = [{"text": "🎭 "}, {"markup": "<b class='🎭'>"}, {"text": "teh"}, {"markup": "</b>"}, {"text": " hte"},
             {"markup": "<br/>", "interpretAs": "\n"}, {"text": "gooood"}]  # fmt: skip
    whole = "".join(part.get("text") or part["markup"] for part in parts)
    data = json.dumps({"annotation": parts})
    answer = http.post("/v2/check", data={"data": data, "language": "auto"})
    assert corrected(whole, answer.json()["matches"]) == whole.replace("teh", "the").replace("hte", "the").replace(
        "gooood", "good"
    )
    job = http.get(f"/v1/jobs/{answer.headers['X-Triptych-Job-Id']}").json()
    assert job["output"]["corrected_text"] == "🎭 the the\ngood"
    plain = http.post("/v2/check", data={"data": json.dumps({"text": "teh", "metaData": {}}), "language": "auto"})
    assert plain.json()["matches"][0]["offset"] == 0


def test_a_correction_that_would_delete_markup_is_no_match() -> None:
    data = {"annotation": [{"text": "te"}, {"markup": "<b>"}, {"text": "h a"}, {"markup": "&amp;", "interpretAs": "&"}]}
    text = parse_checked_text(None, json.dumps(data))
    assert (text.plain, text.whole) == ("teh a&", "te<b>h a&amp;")
    assert text.span(0, 3) is None and text.span(5, 1) is None and text.span(4, 2) is None
    assert text.span(0, 2) == (0, 2) and text.span(2, 1) == (5, 6) and text.span(4, 1) == (7, 8)
    assert CheckedText([("<p>", "")]).span(0, 0) is None


def test_blank_texts_have_no_matches_and_make_no_job(http: httpx.Client) -> None:
    for text in ("", " \n", "\u00a0"):
        answer = http.post("/v2/check", data={"text": text, "language": "en"})
        assert (answer.status_code, answer.json()["matches"]) == (200, [])
        assert "X-Triptych-Job-Id" not in answer.headers


@pytest.mark.parametrize(
    ("fields", "num_matches"),
    [
        ({"disabledRules": "OTHER,TRIPTYCH_DENOISE"}, 0),
        ({"disabledCategories": "TYPOS"}, 0),
        ({"disabledRules": "UPPERCASE", "disabledCategories": "STYLE"}, 1),
        ({"enabledOnly": "true", "enabledRules": "OTHER"}, 0),
        ({"enabledOnly": "true", "enabledRules": "OTHER,TRIPTYCH_DENOISE"}, 1),
        ({"enabledOnly": "true", "enabledCategories": "TYPOS"}, 1),
        ({"enabledOnly": "false", "enabledRules": "OTHER"}, 1),
        (
            {
                "level": "picky",
                "motherTongue": "de",
                "preferredVariants": "en-GB",
                "mode": "all",
                "dicts": "",
                "v": "1",
            },
            1,
        ),
        ({"username": "someone", "apiKey": "x"}, 1),
        ({"model": CORRECTOR}, 1),
    ],
)
def test_rules_can_be_switched_off(http: httpx.Client, fields: dict[str, str], num_matches: int) -> None:
    assert len(check(http, "teh", **fields)["matches"]) == num_matches


@pytest.mark.parametrize(
    ("code", "language"),
    [("en", ("en", "English")), ("en-GB", ("en-GB", "English")), ("auto", ("en", "English"))],
)
def test_a_language_is_read_with_all_its_variants(http: httpx.Client, code: str, language: tuple[str, str]) -> None:
    found = check(http, "teh", language=code)["language"]
    assert (found["code"], found["name"]) == language


def test_languages_are_listed(http: httpx.Client) -> None:
    assert http.get("/v2/languages").json() == [
        {"name": "English", "code": "en", "longCode": "en"},
        {"name": "Nobody's", "code": "xx", "longCode": "xx"},
    ]


BAD: list[tuple[dict[str, Any], str]] = [
    ({"text": None}, "Set either 'text' or 'data'."),
    ({"data": "{}"}, "Set only one of 'text' and 'data'."),
    ({"language": None}, "language: "),
    ({"language": ""}, "language: "),
    ({"language": "tlh"}, "language: 'tlh' is not a language code known here. Languages: en, xx, auto."),
    ({"language": ["en", "de"]}, "language: "),
    ({"text": ["a", "b"]}, "text: "),
    ({"model": "nobody"}, "model: No model 'nobody'"),
    ({"enabledOnly": "perhaps"}, "enabledOnly: "),
    ({"text": None, "data": "{"}, "data: It is not JSON"),
    ({"text": None, "data": "[" * 100_000}, "data: It is nested too deeply"),
    ({"text": None, "data": "[]"}, "data: "),
    ({"text": None, "data": "{}"}, "data: Expected either 'text' or 'annotation'."),
    ({"text": None, "data": '{"text":"x","annotation":[]}'}, "data: Expected either"),
    ({"text": None, "data": '{"annotation":"x"}'}, "data.annotation: "),
    ({"text": None, "data": '{"annotation":[{"text":5}]}'}, "data.annotation[0].text: "),
    ({"text": None, "data": '{"annotation":[{"text":"a"},{}]}'}, "data.annotation[1]: "),
    ({"text": None, "data": '{"annotation":[{"text":"a","markup":"b"}]}'}, "data.annotation[0]: "),
    ({"text": None, "data": '{"annotation":[{"text":"a","interpretAs":"b"}]}'}, "data.annotation[0]: "),
    ({"text": None, "data": '{"annotation":[' + "{}," * 100_001 + "{}]}"}, "data.annotation: "),
    ({"text": "fail now"}, "text has 99 tokens."),
]


@pytest.mark.parametrize(("fields", "problem"), BAD, ids=lambda value: str(value)[:40])
def test_errors_are_in_languagetools_format(http: httpx.Client, fields: dict[str, Any], problem: str) -> None:
    body = {name: value for name, value in {"text": "x", "language": "en", **fields}.items() if value is not None}
    answer = http.post("/v2/check", data=body)
    assert answer.status_code == 400, answer.text
    assert answer.headers["Content-Type"].startswith("text/plain")
    assert answer.text.startswith(f"Error: {problem}") and len(answer.text) < 1000


def test_other_bodies_than_forms_are_refused(http: httpx.Client) -> None:
    for options in ({"json": {"text": "x"}}, {"files": {"text": b"x"}}, {"content": b"text=x"}):
        answer = http.post("/v2/check", **options)  # type: ignore[arg-type]
        assert answer.status_code == 415 and answer.text.startswith("Error: ")
    foreign = {"Origin": "https://evil.example"}
    assert http.post("/v2/check", data={"text": "x", "language": "en"}, headers=foreign).status_code == 403


def test_a_megabyte_of_one_character_is_checked(http: httpx.Client) -> None:
    assert check(http, "x" * 1_000_000)["matches"] == []
    assert check(http, "🎭" * 200_000 + " ")["warnings"] == {
        "incompleteResults": True,
        "incompleteResultsReason": f"These are only the first {MAX_MATCHES} matches: send the text in parts.",
    }


def test_a_job_is_returned_only_if_preferred(stack: Stack, http: httpx.Client) -> None:
    body = {"text": "teh", "language": "xx"}
    answer = http.post("/v2/check", data=body, headers={"Prefer": "wait=0.1"})
    assert (answer.status_code, answer.json()["task"], answer.json()["model"]) == (202, "denoise", UNSERVED_CORRECTOR)
    worker = ManualWorker(stack.store)
    assert worker.request["inputs"] == "teh"
    worker.answer(DenoiseOutput(text="the", finish_reason="eos_token", edits=[Edit(0, 3, ["the"])]))
