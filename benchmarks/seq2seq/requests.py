"""The requests of the clients: the route of the text2text task."""

import json
from typing import Any

from benchmarks.generation.jobs import Job
from benchmarks.generation.responses import Request, ResponseFormat
from benchmarks.harness.http_clients import post


def body_of(job: Job, num_beams: int = 1) -> dict[str, Any]:
    """Return the inputs and parameters of a job."""
    lengths = {"max_new_tokens": job.max_new_tokens, "min_new_tokens": job.max_new_tokens}
    generate = {**lengths, "num_beams": num_beams}
    return {"inputs": job.text, "parameters": {"truncate": "error", "generate_parameters": generate}}


def request_of(job: Job, model: str, *, streamed: bool = False, num_beams: int = 1) -> Request:
    """Return the request for a job."""
    body = {**body_of(job, num_beams), "model": model, "stream": streamed}
    return Request(post("/v1/text2text", body), streamed, _FORMAT)


def _text(document: Any) -> str:
    return str(document["generated_text"])


def _deltas(data: bytes) -> list[str]:
    item = json.loads(data)
    return [item["text"]] if "text" in item else []


def _is_last(data: bytes) -> bool:
    return "output" in json.loads(data or b"{}")


_FORMAT = ResponseFormat(_text, _deltas, _is_last)
