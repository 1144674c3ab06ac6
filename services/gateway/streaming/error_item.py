"""The item that ends the stream of a task's route early, in TGI's format."""

import msgspec

from contracts.errors import TriptychError


class StreamError(msgspec.Struct, frozen=True):
    """Why a stream has ended early; `error_type` is the `code` of our other errors."""

    error: str
    error_type: str


def encode_error(error: TriptychError) -> bytes:
    """Return the JSON of the item."""
    return msgspec.json.encode(StreamError(error.message, error.code))
