"""What the task routes' streams share: each tells one text, and where it ends early, why."""

import msgspec

from contracts.errors import InvalidRequest, TriptychError
from contracts.tasks import num_inputs


class StreamError(msgspec.Struct, frozen=True):
    """Why a stream has ended early; `error_type` is the `code` of our other errors."""

    error: str
    error_type: str


def refuse_several(inputs: object, num_answers: int, param: str) -> None:
    """Raise InvalidRequest where a request would have several texts; ``param`` names how many answers it wants."""
    if num_inputs(inputs) > 1:
        raise InvalidRequest("A stream has one text: send one input, or submit a job and follow it.", param="inputs")
    if num_answers > 1:
        name = param.rsplit(".", 1)[-1]
        raise InvalidRequest(f"A stream has one text: leave {name} at 1, or submit a job and follow it.", param=param)


def broke(error: TriptychError) -> bytes:
    """Return the item that ends a stream early."""
    return msgspec.json.encode(StreamError(error.message, error.code))
