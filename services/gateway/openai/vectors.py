"""Responses with embeddings, made of jobs that have succeeded: large ones in the gateway's child process."""

import base64
import sys
from array import array
from collections.abc import Callable
from typing import Any, Literal

import msgspec

from services.gateway.jobs.outputs.answers import MIB, AnswerFormat
from services.gateway.jobs.outputs.packing import unpack
from services.gateway.jobs.outputs.result import usage_of


class Embedding(msgspec.Struct, frozen=True):
    """The vector of one text: numbers, or float32 little endian in base64."""

    index: int
    embedding: list[float] | str
    object: Literal["embedding"] = "embedding"


class EmbeddingsUsage(msgspec.Struct, frozen=True):
    """Tokens that the model read. Nothing is generated, so both numbers are the same."""

    prompt_tokens: int
    total_tokens: int


class Embeddings(msgspec.Struct, frozen=True, kw_only=True):
    """OpenAI's response."""

    object: Literal["list"] = "list"
    data: list[Embedding]
    model: str
    usage: EmbeddingsUsage


class EmbeddingsDetails(msgspec.Struct, frozen=True):
    """What embeddings depend on besides their job."""

    base64: bool


def make_embeddings(packed: bytes) -> bytes:
    """Return the vectors of a job with a list of texts."""
    job, details = unpack(packed, EmbeddingsDetails)
    # Vectors stay JSON: decoding and encoding their numbers again would be most of the work (decision 5).
    rows = msgspec.json.decode(job.output or b"[]", type=list[msgspec.Raw])
    num_tokens = usage_of(job).tokens_used
    convert: Callable[[msgspec.Raw], Any] = _base64 if details.base64 else lambda row: row
    return msgspec.json.encode(
        Embeddings(
            data=[Embedding(index, convert(row)) for index, row in enumerate(rows)],
            model=job.model,
            usage=EmbeddingsUsage(num_tokens, num_tokens),
        )
    )


FLOATS = AnswerFormat(make_embeddings, 8 * MIB)
BASE64 = AnswerFormat(make_embeddings, 2 * MIB)


def _base64(row: msgspec.Raw) -> str:
    # The gateway has no numpy; the standard library's array holds float32 too.
    floats = array("f", msgspec.json.decode(row, type=list[float]))
    if sys.byteorder == "big":
        floats.byteswap()
    return base64.b64encode(floats.tobytes()).decode()
