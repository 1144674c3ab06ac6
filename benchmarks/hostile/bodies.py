"""Bodies of up to the gateway's limit that cost much to parse, to check or to refuse."""

import json
from collections.abc import Iterator
from functools import partial

import msgspec

from benchmarks.harness.stack import Stack
from benchmarks.hostile.client import FORM, JSON, Client, form
from benchmarks.hostile.observer import Observer, Request
from benchmarks.hostile.report import Limits, Row
from benchmarks.hostile.responder import Responder
from contracts.seq2seq import DenoiseOutput

UNCHANGED = msgspec.json.encode(DenoiseOutput(text="", finish_reason="eos_token", edits=[]))
GATEWAY = ("services.gateway",)
LIMITS = Limits(delay_ms=100, memory_mb=150, cpu_s=2.0)


def measure(stack: Stack, num_bytes: int) -> Iterator[Row]:
    """Yield a row for each body of about ``num_bytes``, sent to one gateway process."""
    with Responder(stack, {"embed": b"[]", "denoise": UNCHANGED}):
        port = stack.start_gateway({"TRIPTYCH_GATEWAY_PROCESSES": "1"})
        client, observer = Client(port), Observer(GATEWAY, Request(port))
        for case, (path, kind, body) in _bodies(num_bytes).items():
            yield observer.run(case, partial(client.outcome, "POST", path, body, kind), LIMITS)


def _bodies(size: int) -> dict[str, tuple[str, str, bytes]]:
    lists = b'["\\u0041",' + b"[]," * (size // 3 - 8) + b"[]]"
    model = Responder.model_of("embed")
    prose = json.dumps({"model": model, "task": "embed", "inputs": ["It rains, today. " * (size // 40_000)] * 2048})
    objects = b'{"task":"embed","inputs":' + b'[{"a":{"b":[0,{}]}},' * (size // 24) + b"0" + b"]" * (size // 24) + b"}"
    names = b"{" + b",".join(b'"%06d":0' % number for number in range(size // 12)) + b"}"
    escapes = b'{"task":"embed","model":"canned-embed","inputs":"' + b"\\u00e9" * (size // 6 - 20) + b'"}'
    parts = json.dumps({"annotation": [{"text": "a"}, {"markup": "<b>"}] * 50_000})[: size // 3]
    return {
        "body of [[],[],…] and an escape, /v1/jobs": ("/v1/jobs", JSON, lists),
        "the same, /translate": ("/translate", JSON, lists),
        "a flat list of numbers": ("/v1/embed", JSON, b'{"inputs":[' + b"1," * (size // 2 - 10) + b"1]}"),
        "objects in lists, nested": ("/v1/jobs", JSON, objects),
        "an object of many names": ("/v1/jobs", JSON, names),
        "one text of escapes": ("/v1/jobs", JSON, escapes),
        "2,048 texts, taken": ("/v1/jobs", JSON, prose.encode()),
        "a form of escapes, /v2/check": ("/v2/check", FORM, b"language=auto&text=" + b"%C3%A9" * (size // 6 - 20)),
        "markup that is no JSON, /v2/check": ("/v2/check", FORM, form(language="auto", data=parts)[:size]),
    }
