"""Several hundred request bodies that must be refused, each with the status and the field that the answer must name."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tests.gateway.fakes.generation import CHAT_MODEL, GENERATOR
from tests.gateway.fakes.seq2seq import TRANSLATOR
from tests.gateway.fakes.worker import CLASSIFY, EMBED

ANY = object()
"""The field may be any, or none."""


@dataclass(frozen=True)
class BadBody:
    """One body, what it is refused with, and which field is named."""

    name: str
    path: str
    raw: bytes
    status: int
    param: Any = ANY
    content_type: str | None = "application/json"
    encoding: str | None = None


GOOD: dict[str, dict[str, Any]] = {
    "/v1/jobs": {"task": "embed", "inputs": "text"},
    "/v1/embed": {"inputs": "text"},
    "/v1/classify": {"inputs": "text"},
    "/v1/generate": {"inputs": "text", "model": GENERATOR},
    "/v1/translate": {"inputs": "text", "model": TRANSLATOR},
    "/v1/embeddings": {"model": EMBED, "input": "text"},
    "/v1/completions": {"model": GENERATOR, "prompt": "text"},
}
_FIELDS = {"/v1/embeddings": "input", "/v1/completions": "prompt"}
_TAKES_BLANK = {"/v1/generate", "/v1/completions"}
_HUGE = b"9" * 5000
MALFORMED: dict[str, bytes] = {
    "empty": b"", "blank": b"  ", "no json": b"hello", "half": b'{"inputs": "te', "two": b"{} {}", "comma": b'{"a":1,}',
    "single quotes": b"{'inputs': 'x'}", "bare name": b"{inputs: 1}", "comment": b'{/* */"inputs":"x"}',
    "nan": b'{"inputs": NaN}', "infinity": b'{"inputs": Infinity}', "-infinity": b'{"deadline_s": -Infinity}',
    "utf-16": '{"inputs":"x"}'.encode("utf-16"), "utf-8 bom": b'\xef\xbb\xbf{"inputs":"x"}',
    "latin": b'{"inputs":"\xe4"}',
    "overlong": b'{"inputs":"\xc0\xaf"}', "surrogate bytes": b'{"inputs":"\xed\xa0\x80"}',
    "raw newline": b'{"inputs":"\n"}',
    "raw nul": b'{"inputs":"\x00"}', "only nul": b"\x00", "bad escape": b'{"inputs":"\\x41"}', "depth": b"[" * 200_000,
    "deep object": b'{"a":' * 100_000, "deep field": b'{"inputs":' + b"[" * 99_999,
    "leading zero": b'{"deadline_s": 01}',
    "plus": b'{"deadline_s": +1}', "hex": b'{"deadline_s": 0x10}', "true": b"True", "control": b'{"inputs":"\x01"}',
    "huge number": b'{"deadline_s": ' + _HUGE + b"}", "65 bits": b'{"parameters":{"top_k":36893488147419103232}}',
    "half \\u": b'{"inputs":"\\u12"}', "tail": b'{"inputs":"x"}x',
}  # fmt: skip
_MARKED = {"nul": "\\u0000", "high": "\\ud800", "low": "\\udc00", "swapped": "\\udc00\\ud800", "end": "a\\udbff"}
_NOT_TEXT: dict[str, Any] = {"null": None, "number": 5, "float": 0.5, "true": True, "list in list": [["x"]]}
_NOT_NUMBER: dict[str, Any] = {"null is fine": 0, "negative": -1, "text": "5", "true": True, "list": [5], "far": 1e9}


def every_bad_body() -> Iterator[BadBody]:
    """Yield all of them."""
    for path, good in GOOD.items():
        yield from _unreadable(path, good)
        yield from _wrong_shapes(path, good)
        yield from _wrong_inputs(path, good)
        if path not in _FIELDS:
            yield from _wrong_options(path, good)
    yield from _wrong_parameters()
    yield from _wrong_generation_parameters()
    yield from _wrong_conversations()
    yield from _wrong_tasks()
    yield from _wrong_embeddings()


def _json(document: Any) -> bytes:
    return json.dumps(document).encode()


def _field(path: str) -> str:
    return _FIELDS.get(path, "inputs")


def _unreadable(path: str, good: dict[str, Any]) -> Iterator[BadBody]:
    for name, raw in MALFORMED.items():
        yield BadBody(name, path, raw, 400)
    field = _field(path)
    for name, text in _MARKED.items():
        raw = _json({**good, field: "@"}).replace(b"@", text.encode())
        yield BadBody(f"{name} in text", path, raw, 400, field)
        raw = _json({**good, field: ["fine", "@"]}).replace(b"@", text.encode())
        yield BadBody(f"{name} in list", path, raw, 400, f"{field}[1]")
    twice = _json(good)[:-1] + b', "' + field.encode() + b'": "again"}'
    yield BadBody("twice", path, twice, 400, field)
    yield BadBody("twice inside", path, _json({**good, "x": 0}).replace(b"0", b'{"a":1,"a":1}'), 400, "a")
    for kind in (None, "text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "application/xml"):
        yield BadBody(f"type {kind}", path, _json(good), 415, content_type=kind)
    for encoding in ("gzip", "br", "deflate", "nonsense"):
        yield BadBody(f"encoding {encoding}", path, _json(good), 415, encoding=encoding)


def _wrong_shapes(path: str, good: dict[str, Any]) -> Iterator[BadBody]:
    for document in (None, [], [good], "text", 5, 0.5, True):
        yield BadBody(f"a {document!r}", path, _json(document), 422)
    yield BadBody("no field", path, b"{}", 422)
    for name in ("unknown", "Inputs", "__proto__", "", "ä", "webhook", "x" * 1000):
        yield BadBody(f"unknown {name[:10]}", path, _json({**good, name: 1}), 422, name[:64] or None)
    without = {name: value for name, value in good.items() if name != _field(path)}
    yield BadBody("no input", path, _json(without), 422, _field(path))


def _wrong_inputs(path: str, good: dict[str, Any]) -> Iterator[BadBody]:
    field = _field(path)
    for name, value in _NOT_TEXT.items():
        place = f"{field}[0]" if "list" in name and path not in _FIELDS else field
        yield BadBody(f"input {name}", path, _json({**good, field: value}), 422, place)
        if name != "list in list":
            yield BadBody(f"item {name}", path, _json({**good, field: ["x", value]}), 422, f"{field}[1]")
    blank = {} if path in _TAKES_BLANK else {"space": " ", "white": "\t\n\r\u00a0\u2003"}
    for name, text in {"empty": "", **blank}.items():
        yield BadBody(f"{name} text", path, _json({**good, field: text}), 422, field)
        yield BadBody(f"{name} item", path, _json({**good, field: ["x", text]}), 422, f"{field}[1]")
    yield BadBody("no items", path, _json({**good, field: []}), 422, field)
    yield BadBody("too many items", path, _json({**good, field: ["x"] * 2049}), 422, field)


def _wrong_options(path: str, good: dict[str, Any]) -> Iterator[BadBody]:
    for field in ("deadline_s", "timeout_s", "ttl_s"):
        for name, value in _NOT_NUMBER.items():
            yield BadBody(f"{field} {name}", path, _json({**good, field: value}), 422, field)
    for name, value in {"number": 5, "empty": "", "long": "x" * 129, "list": [EMBED], "object": {}}.items():
        yield BadBody(f"model {name}", path, _json({**good, "model": value}), 422, "model")
    for name in ("nobody", CLASSIFY + "x", "../../etc/passwd", "tiny-embed\n", "*"):
        yield BadBody(f"model {name!r}", path, _json({**good, "model": name}), 404, "model")
    metadata: dict[str, Any] = {
        "list": [], "text": "x", "null": None, "number in it": {"a": 1}, "object in it": {"a": {}},
        "null in it": {"a": None},
        "empty name": {"": "x"}, "long name": {"x" * 65: "x"}, "long text": {"x": "x" * 513},
        "too many": {str(number): "x" for number in range(17)},
    }  # fmt: skip
    for name, value in metadata.items():
        yield BadBody(f"metadata {name}", path, _json({**good, "metadata": value}), 422, "metadata")
    for value in (None, [], "x", 5):
        yield BadBody(f"parameters {value!r}", path, _json({**good, "parameters": value}), 422, "parameters")
    unknown = {**good, "parameters": {"unknown": 1}}
    yield BadBody("unknown parameter", path, _json(unknown), 422, "parameters.unknown")


def _wrong_parameters() -> Iterator[BadBody]:
    values: dict[str, dict[str, list[Any]]] = {
        "/v1/embed": {
            "normalize": ["yes", 1, []], "dimensions": [0, -1, 1.5, "4", True, 5, 2**62], "truncate": ["both", True,
            None, ""],
        },
        "/v1/classify": {
            "top_k": [0, -1, 1.5, "4", True], "function_to_apply": ["relu", 1, ""], "truncate": ["left ", 0],
            "normalize": [True],
        },
        "/v1/generate": {
            "max_new_tokens": [0, -1, 1.5, "4", True, 65, 10**7, 2**62], "temperature": [-1, 1e9, "0.5", [], True],
            "top_k": [-1, 1.5, "4"], "top_p": [-0.1, 1.1, "1"], "min_p": [-1, 2], "typical_p": [0, 1.1],
            "repetition_penalty": [0, -1, 1e9], "frequency_penalty": [None, 3, -3], "presence_penalty": [None, 3, -3],
            "seed": [0.5, "1", True], "stop": [5, "", ["x"] * 1000, "x" * 257, None], "n": [0, 17, None, 1.5],
            "best_of": [0, 17], "return_full_text": [None, 1], "details": ["yes"], "top_n_tokens": [-1, 21],
            "truncate": [5, "both"], "do_sample": [1, "yes"], "grammar": [{}], "watermark": [True],
        },
    }  # fmt: skip
    for path, parameters in values.items():
        for field, wrong in parameters.items():
            for value in wrong:
                raw = _json({**GOOD[path], "parameters": {field: value}})
                yield BadBody(f"{field} {value!r}", path, raw, 422, f"parameters.{field}")
    pairs: dict[str, tuple[Any, str]] = {
        "half": ({"text": "x"}, "inputs.text_pair"), "other half": ({"text_pair": "x"}, "inputs.text"),
        "blank": ({"text": "x", "text_pair": " "}, "inputs.text_pair"), "empty": ({"text": "", "text_pair": "x"},
        "inputs.text"),
        "more": ({"text": "x", "text_pair": "x", "third": "x"}, "inputs.third"), "number": ({"text": 1,
        "text_pair": "x"}, "inputs.text"),
        "in list": (["x", {"text": "x"}], "inputs[1].text_pair"), "nothing": ({}, "inputs.text"),
    }  # fmt: skip
    for name, (value, param) in pairs.items():
        yield BadBody(f"pair {name}", "/v1/classify", _json({"inputs": value}), 422, param)
    yield BadBody("pair to embed", "/v1/embed", _json({"inputs": {"text": "x", "text_pair": "x"}}), 422, "inputs")


def _wrong_generation_parameters() -> Iterator[BadBody]:
    path, good = "/v1/translate", GOOD["/v1/translate"]
    own = {"src_lang": ["", 5, "x" * 65], "format": ["xml", None], "truncate": ["both", None], "stream": [True],
           "truncation": ["longest"], "generate_parameters": [None, [], "x"]}  # fmt: skip
    for field, wrong in own.items():
        for value in wrong:
            raw = _json({**good, "parameters": {field: value}})
            yield BadBody(f"{field} {value!r:.20}", path, raw, 422, f"parameters.{field}")
    values: dict[str, list[Any]] = {
        "num_beams": [0, -1, 1000, 1.5, "4"], "num_return_sequences": [0, 17, None], "max_new_tokens": [0, 10**7],
        "max_length": [0], "min_length": [-1], "length_penalty": ["1", 1e9], "early_stopping": ["always", 1],
        "no_repeat_ngram_size": [-1], "bad_words": ["x", [""]], "bad_words_ids": [[[]], [1]],
        "suppress_tokens": [[-1], 1], "forced_eos_token_id": ["x", -1], "temperature": [-1], "n": [2], "x": [1],
    }  # fmt: skip
    for field, wrong in values.items():
        for value in wrong:
            raw = _json({**good, "parameters": {"generate_parameters": {field: value}}})
            # Where a list is of the wrong kind, its place is named too.
            yield BadBody(f"{field} {value!r}", path, raw, 422, ANY if isinstance(value, list) else
                          f"parameters.generate_parameters.{field}")  # fmt: skip
    for wrong_pair in ({"min_length": 2, "max_length": 1}, {"num_beams": 2, "stop": "x"},
                       {"num_beams": 2, "do_sample": True}, {"num_beams": 2, "num_return_sequences": 3}):  # fmt: skip
        raw = _json({**good, "parameters": {"generate_parameters": wrong_pair}})
        yield BadBody(f"contradiction {wrong_pair}", path, raw, 422, "parameters.generate_parameters")


def _wrong_conversations() -> Iterator[BadBody]:
    wrong: dict[str, tuple[Any, str]] = {
        "no messages": ([], "messages"), "a text": ("x", "messages"), "no content": ([{"role": "user"}],
        "messages[0].content"),
        "unknown role": ([{"role": "robot", "content": "x"}], "messages[0].role"),
        "no role": ([{"content": "x"}], "messages[0].role"),
        "more": ([{"role": "user", "content": "x", "x": 1}], "messages[0].x"),
        "an image": ([{"role": "user", "content": [{"type": "image_url"}]}], "messages[0].content[0].type"),
        "too many": ([{"role": "user", "content": "x"}] * 1025, "messages"),
    }  # fmt: skip
    for name, (messages, param) in wrong.items():
        raw = _json({"model": CHAT_MODEL, "inputs": {"messages": messages}})
        yield BadBody(f"chat {name}", "/v1/generate", raw, 422, f"inputs.{param}")
    raw = _json({"model": GENERATOR, "inputs": ["x", {"messages": [{"role": "user", "content": "x"}]}]})
    yield BadBody("chat without template", "/v1/generate", raw, 422, "inputs[1]")
    for parameters in ({"n": 2, "best_of": 1}, {"top_n_tokens": 1}):
        raw = _json({**GOOD["/v1/generate"], "parameters": parameters})
        yield BadBody(f"contradiction {parameters}", "/v1/generate", raw, 422, "parameters")


def _wrong_tasks() -> Iterator[BadBody]:
    for task in ("fly", "", "Embed", "embed ", 5, None, [], {}, True, "x" * 10_000):
        yield BadBody(f"task {task!r:.20}", "/v1/jobs", _json({"task": task, "inputs": "x"}), 422, "task")
    yield BadBody("no task", "/v1/jobs", _json({"inputs": "x"}), 422, "task")
    yield BadBody("task on a task route", "/v1/embed", _json({"task": "embed", "inputs": "x"}), 422, "task")
    other = {"task": "embed", "inputs": "x", "parameters": {"top_k": 1}}
    yield BadBody("parameters of another task", "/v1/jobs", _json(other), 422, "parameters.top_k")
    yield BadBody(
        "model of another task", "/v1/jobs", _json({"task": "embed", "inputs": "x", "model": CLASSIFY}), 404, "model"
    )


def _wrong_embeddings() -> Iterator[BadBody]:
    good = GOOD["/v1/embeddings"]
    for tokens in ([1, 2], [[1, 2], [3]], [0]):
        yield BadBody(f"tokens {tokens}", "/v1/embeddings", _json({**good, "input": tokens}), 422, "input")
    wrong: dict[str, list[Any]] = {
        "encoding_format": ["hex", 1, None, []], "dimensions": [0, -1, "4", 1.5], "user": [1, []], "model": [None, 5,
        ""],
    }  # fmt: skip
    for field, values in wrong.items():
        for value in values:
            yield BadBody(f"{field} {value!r}", "/v1/embeddings", _json({**good, field: value}), 422, field)
    yield BadBody("no model", "/v1/embeddings", b'{"input": "x"}', 422, "model")
    yield BadBody("unknown model", "/v1/embeddings", _json({**good, "model": "gpt"}), 404, "model")
    yield BadBody("too many dimensions", "/v1/embeddings", _json({**good, "dimensions": 5}), 422, "dimensions")
