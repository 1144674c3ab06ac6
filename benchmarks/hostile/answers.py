"""Answers that cost much to put into a client's format, and lists of jobs with large outputs."""

import json
from collections.abc import Iterator

import msgspec

from benchmarks.harness.stack import Stack
from benchmarks.hostile.bodies import GATEWAY
from benchmarks.hostile.client import FORM, Client, form
from benchmarks.hostile.observer import Observer, Request
from benchmarks.hostile.report import Limits, Row
from benchmarks.hostile.responder import Responder
from contracts.generation import Details, GenerateOutput, Token
from contracts.seq2seq import DenoiseOutput, Edit

WORD = "wrod"
LIMITS = Limits(delay_ms=100, memory_mb=150, cpu_s=4.0)


def measure(stack: Stack, scale: float) -> Iterator[Row]:
    """Yield a row for each answer; ``scale`` is 1 for their full sizes."""
    num_words, num_tokens, num_vectors = int(9000 * scale), int(4000 * scale), int(2048 * scale)
    outputs = {"denoise": _corrected(num_words), "generate": _text(num_tokens), "embed": _vectors(num_vectors)}
    with Responder(stack, outputs):
        port = stack.start_gateway({"TRIPTYCH_GATEWAY_PROCESSES": "1"})
        client, observer = Client(port), Observer(GATEWAY, Request(port))
        check = form(language="auto", data=json.dumps(_markup(num_words)))
        case = f"{num_words:,} misspelt words between 300 dots, /v2/check"
        yield observer.run(case, lambda: client.outcome("POST", "/v2/check", check, FORM), LIMITS)
        chat = {
            "model": Responder.model_of("generate"), "logprobs": True, "top_logprobs": 20,
            "messages": [{"role": "user", "content": "Tell me"}],
        }  # fmt: skip
        case = f"{num_tokens:,} tokens with 20 logprobs each, /v1/chat/completions"
        yield observer.run(case, lambda: _post(client, "/v1/chat/completions", chat), LIMITS)
        body = {"model": Responder.model_of("embed"), "input": ["x"] * num_vectors, "encoding_format": "base64"}
        case = f"{num_vectors:,} vectors of 1,024 in base64, /v1/embeddings"
        yield observer.run(case, lambda: _post(client, "/v1/embeddings", body), LIMITS)
        yield from _pages(client, observer, num_jobs=int(40 * scale))


def _pages(client: Client, observer: Observer, num_jobs: int) -> Iterator[Row]:
    job = {"task": "generate", "model": Responder.model_of("generate"), "inputs": "x"}
    for job_id in [client.submit(job) for _ in range(num_jobs)]:
        client.end_of(job_id)
    case = f"a list of {num_jobs} jobs with outputs of 4 MB, GET /v1/jobs"
    yield observer.run(case, lambda: client.outcome("GET", "/v1/jobs?limit=100"), Limits(100, 20, 0.5))


def _post(client: Client, path: str, document: object) -> str:
    return client.outcome("POST", path, json.dumps(document).encode())


def _markup(num_words: int) -> dict[str, object]:
    return {"annotation": [{"text": f"{WORD} "}, {"markup": "." * 300}] * num_words}


def _corrected(num_words: int) -> bytes:
    edits = [Edit(index * (len(WORD) + 1), len(WORD), ["word"]) for index in range(num_words)]
    return msgspec.json.encode(DenoiseOutput(text="word " * num_words, finish_reason="eos_token", edits=edits))


def _text(num_tokens: int) -> bytes:
    token = Token(7, " word", -1.25)
    details = Details(
        finish_reason="length", generated_tokens=num_tokens, seed=None, tokens=[token] * num_tokens,
        top_tokens=[[token] * 20] * num_tokens,
    )  # fmt: skip
    text = " word" * num_tokens
    return msgspec.json.encode(GenerateOutput(generated_text=text, finish_reason="length", details=details))


def _vectors(num_vectors: int) -> bytes:
    return msgspec.json.encode([[0.0123456 + index / 1e6 for index in range(1024)]] * num_vectors)
