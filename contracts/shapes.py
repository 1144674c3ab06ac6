"""What all request types have in common."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

MAX_INPUTS = 2048
"""Inputs of one request: as many as OpenAI's embeddings route takes, whose clients send full batches."""

Text = Annotated[str, Meta(min_length=1, description="A text that is not empty.")]
Truncate = Annotated[
    Literal["error", "right", "left"],
    Meta(description="What to do with a text of more tokens than the model takes: refuse it, or cut that end of it."),
]


class Shape(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Base of all request types. Unknown fields are refused, so a misspelled parameter is not silently ignored."""


class TextPair(Shape, frozen=True):
    """Two texts that the model reads together, such as a premise and a hypothesis."""

    text: Text
    text_pair: Text


def num_inputs(inputs: object) -> int:
    """Return how many inputs a checked ``inputs`` holds: the length of a list, else 1."""
    return len(inputs) if isinstance(inputs, list) else 1
