"""What the benchmark asks: the route of the text2text task."""

import json
from typing import Any

from benchmarks.generation.responses import Dialect, Request
from benchmarks.harness.http_clients import post
from benchmarks.seq2seq.jobs import NEW_TOKENS, Job


def body_of(job: Job, num_beams: int = 1) -> dict[str, Any]:
    """Return inputs and parameters that ask for a job."""
    lengths = {"max_new_tokens": NEW_TOKENS, "min_new_tokens": NEW_TOKENS}
    generate = {**lengths, "num_beams": num_beams}
    return {"inputs": job.text, "parameters": {"truncate": "error", "generate_parameters": generate}}


def request_of(job: Job, model: str, *, streamed: bool = False, num_beams: int = 1) -> Request:
    """Return the request that asks for a job."""
    body = {**body_of(job, num_beams), "model": model, "stream": streamed}
    return Request(post("/v1/text2text", body), streamed, _DIALECT)


def _whole(document: Any) -> str:
    return str(document["generated_text"])


def _pieces(data: bytes) -> list[str]:
    item = json.loads(data)
    return [item["text"]] if "text" in item else []


def _is_last(data: bytes) -> bool:
    return "output" in json.loads(data or b"{}")


_DIALECT = Dialect(_whole, _pieces, _is_last)
