"""The rank task: a query and passages, to the passages in the order of their similarity to the query."""

from typing import Annotated

import msgspec
from msgspec import Meta

from contracts.cards import ModelCard
from contracts.errors import InvalidRequest
from contracts.shapes import MAX_INPUTS, Shape, Text, Truncate
from contracts.tasks.spec import TaskSpec


class Passage(Shape, frozen=True):
    """A text with a title."""

    title: Text
    lines: Annotated[list[Text], Meta(min_length=1)]

    @property
    def text(self) -> str:
        """The title and the lines as one text."""
        return " ".join([self.title, *self.lines])


class RankInput(Shape, frozen=True):
    """A query, and the passages to order."""

    query: Text
    passages: Annotated[list[Passage], Meta(min_length=1)]
    top_k: Annotated[int, Meta(ge=1)] = 10


class RankParameters(Shape, frozen=True):
    """How texts are compared."""

    dimensions: Annotated[int, Meta(ge=1)] | None = None
    truncate: Truncate = "error"


RankInputs = RankInput | Annotated[list[RankInput], Meta(min_length=1, max_length=MAX_INPUTS)]


class RankRequest(Shape, frozen=True):
    """What crosses the queue for a rank job."""

    inputs: RankInputs
    parameters: RankParameters = RankParameters()


class Ranked(msgspec.Struct, frozen=True):
    """A passage, by its place in the request, and its similarity to the query."""

    passage: int
    score: float


def _check_model(card: ModelCard, inputs: RankInputs, parameters: RankParameters) -> None:
    if parameters.dimensions is not None and card.dimensions is not None and parameters.dimensions > card.dimensions:
        raise InvalidRequest(f"{card.name} has {card.dimensions} dimensions.", param="parameters.dimensions")


RANK = TaskSpec(
    name="rank",
    family="encoder",
    graphs=("text-encoder",),
    summary="Order passages by their similarity to a query.",
    inputs=RankInputs,
    parameters=RankParameters,
    output=list[Ranked],
    example={"inputs": {"query": "w1", "passages": [{"title": "w2", "lines": ["w3"]}]}},
    check_model=_check_model,
)
