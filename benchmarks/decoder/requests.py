"""The requests of the clients: OpenAI's completions."""

import json
from typing import Any

from benchmarks.generation.jobs import Job
from benchmarks.generation.responses import Request, ResponseFormat
from benchmarks.harness.http_clients import post

_LAST = b"[DONE]"


def request_of(job: Job, model: str, *, streamed: bool) -> Request:
    """Return the request for a job."""
    body = {"model": model, "prompt": job.text, "max_tokens": job.max_new_tokens, "temperature": 0}
    return Request(post("/v1/completions", {**body, "stream": streamed}), streamed, _FORMAT)


def _text(document: Any) -> str:
    return str(document["choices"][0]["text"])


def _deltas(data: bytes) -> list[str]:
    return [] if data == _LAST else [choice["text"] for choice in json.loads(data)["choices"]]


_FORMAT = ResponseFormat(_text, _deltas, _LAST.__eq__)
