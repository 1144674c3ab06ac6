"""What the benchmark asks: OpenAI's completions route."""

import json
from typing import Any

from benchmarks.decoder.jobs import Job
from benchmarks.generation.responses import Dialect, Request
from benchmarks.harness.http_clients import post

_LAST = b"[DONE]"


def request_of(job: Job, model: str, *, streamed: bool) -> Request:
    """Return the request that asks for a job."""
    body = {"model": model, "prompt": job.prompt, "max_tokens": job.max_new_tokens, "temperature": 0}
    return Request(post("/v1/completions", {**body, "stream": streamed}), streamed, _DIALECT)


def _whole(document: Any) -> str:
    return str(document["choices"][0]["text"])


def _pieces(data: bytes) -> list[str]:
    return [] if data == _LAST else [choice["text"] for choice in json.loads(data)["choices"]]


_DIALECT = Dialect(_whole, _pieces, _LAST.__eq__)
