"""How a task streams its answer: which requests can be streamed, and how a finished answer is written as deltas."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from contracts.errors import InvalidRequest
from contracts.generation import TextDelta


@dataclass(frozen=True, kw_only=True)
class StreamSpec:
    """How one task streams.

    A job's own events can carry any number of texts. The stream of a task's route carries one, which keeps its items
    as simple as those of TGI.
    """

    items: Literal["tokens", "text"]
    """Shape of the items of the task's route: one for each token, or a text delta and at the end the whole output."""
    check: Callable[[Any, Any], None]
    """Gets inputs and parameters; raises InvalidRequest for a request with several texts as its answer."""
    deltas: Callable[[Any], list[TextDelta]]
    """Returns the sequences of one finished answer, each as a single delta that holds all of it."""


def check_single_text(inputs: object, num_answers: int, param: str) -> None:
    """Raise InvalidRequest if a request has several inputs or wants several answers.

    Args:
        inputs: of the request.
        num_answers: how many answers the request wants for each input.
        param: the request field that sets this number, for the error.
    """
    if isinstance(inputs, list) and len(inputs) > 1:
        raise InvalidRequest("A stream has one text: send one input, or submit a job and follow it.", param="inputs")
    if num_answers > 1:
        name = param.rsplit(".", 1)[-1]
        raise InvalidRequest(f"A stream has one text: leave {name} at 1, or submit a job and follow it.", param=param)
