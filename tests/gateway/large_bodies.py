"""Bodies of up to 8 MiB that cost much to parse, each with the statuses of an answer that it may get."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any
from urllib.parse import quote_plus

from tests.gateway.fakes.generation import CHAT_MODEL, GENERATOR
from tests.gateway.fakes.worker import EMBED

MAX_BYTES = 8 << 20
JSON, FORM = "application/json", "application/x-www-form-urlencoded"
_TAKEN, _REFUSED = (200, 202), (400, 413, 422)


@dataclass(frozen=True)
class LargeBody:
    """One body and what becomes of it."""

    name: str
    path: str
    make: Callable[[], bytes]
    """Makes the body. Together they are too large to be kept."""
    statuses: tuple[int, ...]
    content_type: str = JSON


def every_large_body() -> Iterator[LargeBody]:
    """Yield all of them."""
    yield from _refused_lists()
    yield from _refused_objects()
    yield from _numbers()
    yield from _taken_texts()
    yield from _conversations()
    yield from _forms()


def filled(before: str, piece: str, after: str, size: int = MAX_BYTES) -> Callable[[], bytes]:
    """Return what makes a body of nearly ``size`` bytes: a beginning, many equal pieces, and an end."""
    times = (size - len(before.encode()) - len(after.encode())) // len(piece.encode())
    return lambda: b"".join([before.encode(), piece.encode() * times, after.encode()])


def encoded(document: Any) -> Callable[[], bytes]:
    """Return what makes a body of a JSON document."""
    return lambda: json.dumps(document).encode()


def _refused_lists() -> Iterator[LargeBody]:
    for path in ("/v1/jobs", "/v1/embed", "/v1/chat/completions", "/translate"):
        yield LargeBody("empty lists", path, filled('{"task":"embed","inputs":["\\u0041",', "[],", "[]]}"), _REFUSED)
    embed = "/v1/embed"
    yield LargeBody("numbers", embed, filled('{"inputs":[', "1,", "1]}"), _REFUSED)
    yield LargeBody("texts", embed, filled('{"inputs":[', '"a",', '"a"]}'), _REFUSED)
    yield LargeBody("nulls", "/v1/completions", filled('{"prompt":[', "null,", "null]}"), _REFUSED)
    yield LargeBody(
        "few lists less than too many", embed, filled('{"inputs":["\\u0000",', "[],", "[]]}", 250_000), _REFUSED
    )
    yield LargeBody("deep lists", embed, lambda: b'{"inputs":' + b"[" * 100_000 + b"]" * 100_000 + b"}", (400,))
    yield LargeBody("open lists", embed, lambda: b"[" * MAX_BYTES, (400,))
    yield LargeBody("quotation marks", embed, lambda: b'"' * MAX_BYTES, _REFUSED)
    yield LargeBody("backslashes", embed, filled('{"inputs":"', "\\\\", '\\"}'), (400,))
    yield LargeBody("white space", embed, lambda: b" " * MAX_BYTES, (400,))


def _refused_objects() -> Iterator[LargeBody]:
    embed = "/v1/embed"
    yield LargeBody("objects", embed, filled('{"inputs":[', '{"a":{}},', "{}]}"), _REFUSED)
    yield LargeBody("pairs of numbers", embed, filled('{"inputs":[', '{"text":1},', "{}]}", 400_000), _REFUSED)
    yield LargeBody("one name", embed, filled("{", '"a":1,', '"b":1}', 500_000), (400,))
    yield LargeBody("one name too often", embed, filled("{", '"a":1,', '"b":1}'), _REFUSED)
    yield LargeBody("many names", embed, lambda: json.dumps(dict.fromkeys(map(str, range(90_000)))).encode(), (422,))
    yield LargeBody("a long name", embed, filled('{"', "name", '":1}'), (422,))
    yield LargeBody("a long task", "/v1/jobs", filled('{"inputs":"x","task":"', "task", '"}'), (422,))
    yield LargeBody("a long choice", embed, filled('{"inputs":"x","parameters":{"truncate":"', "`at $", '"}}'), (422,))
    for depth in (100_000, 900):
        make = partial(_objects_in_objects, depth)
        yield LargeBody(f"{depth} objects in each other", "/v1/chat/completions", make, (400,))


def _objects_in_objects(depth: int) -> bytes:
    return b'{"a":' * depth + b"null" + b"}" * depth


def _numbers() -> Iterator[LargeBody]:
    embed = "/v1/embed"
    yield LargeBody("digits", embed, filled('{"inputs":', "7", "}"), (400,))
    yield LargeBody("digits behind a point", embed, filled('{"inputs":"x","ttl_s":0.', "3", "}"), (422,))
    yield LargeBody("large powers", embed, filled('{"inputs":[', "1e400,", "1]}", 500_000), (422,))
    yield LargeBody("4,301 digits", embed, filled('{"inputs":[1,', "7" * 4301 + ",", "1]}"), (400,))
    yield LargeBody("minus signs", embed, filled('{"inputs":', "-", "}"), (400,))


def _taken_texts() -> Iterator[LargeBody]:
    path = "/v1/jobs"
    head, tail = '{"task":"embed","inputs":"', '"}'
    pieces = {
        "letters": "a", "commas and brackets": ",[{:", "accents": "\u00e4", "emoji": "\U0001f600",
        "escaped letters": "\\u0041", "escaped emoji": "\\ud83d\\ude00", "line breaks": "x\\n",
        "escaped quotation": '\\"', "controls": "\\u0001",
    }  # fmt: skip
    for name, piece in pieces.items():
        yield LargeBody(name, path, filled(head, piece, tail), _TAKEN)
    yield LargeBody("one half of an emoji", path, filled(head, "\\ud83d\\ude00", "\\ud83d" + tail), (400,))
    yield LargeBody("blanks", path, filled(head, " ", tail), (422,))
    prose = ['The quick brown fox, which "jumps": over [the] lazy dog.\n' * 65] * 2048
    yield LargeBody("prose", path, encoded({"task": "embed", "inputs": prose}), _TAKEN)
    yield LargeBody("prose for embeddings", "/v1/embeddings", encoded({"model": EMBED, "input": prose}), _TAKEN)
    continued = encoded({"model": GENERATOR, "max_tokens": 1, "prompt": prose})
    yield LargeBody("prose to continue", "/v1/completions", continued, _TAKEN)


def _conversations() -> Iterator[LargeBody]:
    message: dict[str, Any] = {"role": "user", "content": "Who is there?"}
    large = {"model": CHAT_MODEL, "max_tokens": 1, "messages": [{**message, "content": "who? " * 1500}] * 1024}
    yield LargeBody("a conversation", "/v1/chat/completions", encoded(large), _TAKEN)
    many = {"task": "generate", "model": CHAT_MODEL, "inputs": [{"messages": [message] * 15}] * 2000}
    yield LargeBody("conversations", "/v1/jobs", encoded(many), _TAKEN)
    part = '{"type":"text","text":""},'
    parts = filled('{"messages":[{"role":"user","content":[', part, part[:-1] + "]}]}")
    yield LargeBody("parts of a message", "/v1/chat/completions", parts, _REFUSED)


def _forms() -> Iterator[LargeBody]:
    for path, field, rest in (("/translate", "q", "&source=en&target=de"), ("/v2/check", "text", "&language=en")):
        for name, piece in {"escapes": "%41", "line breaks": "x%0D%0A", "plus signs": "x+"}.items():
            yield LargeBody(f"a form of {name}", path, filled(f"{field}=", piece, rest), _TAKEN, FORM)
        yield LargeBody("a form of separators", path, lambda: b"&" * MAX_BYTES, (400,), FORM)
        yield LargeBody("a form of percent signs", path, filled(f"{field}=", "%", ""), (400,), FORM)
        yield LargeBody("a form of equal signs", path, filled(f"{field}=", "=", rest), _TAKEN, FORM)
    yield from _annotations()


def _annotations() -> Iterator[LargeBody]:
    parts = '{"text":"Ths "},{"markup":"<br>","interpretAs":" "},' * 50_000
    make = partial(_data_form, f'{{"annotation":[{parts[:-1]}]}}'.encode())
    yield LargeBody("annotations", "/v2/check", make, _TAKEN, FORM)
    lists = filled('{"annotation":["\\u0041",', "[],", "[]]}", MAX_BYTES - 100)
    yield LargeBody("annotations of lists", "/v2/check", lambda: _data_form(lists()), _REFUSED, FORM)


def _data_form(data: bytes) -> bytes:
    # Forms need not escape what JSON is made of, so that 100,000 annotations fit into a body.
    return b"language=en&data=" + quote_plus(data, safe='{}[]":,<>\\').encode()
