"""The embed task: texts to vectors."""

from typing import Annotated

from msgspec import Meta

from contracts.cards import ModelCard
from contracts.errors import InvalidRequest
from contracts.shapes import MAX_INPUTS, Shape, Text, Truncate
from contracts.tasks.spec import TaskSpec


class EmbedParameters(Shape, frozen=True):
    """How texts become vectors."""

    normalize: Annotated[
        bool | None, Meta(description="Scale vectors to length 1. Default: as the model was trained.")
    ] = None
    dimensions: Annotated[
        Annotated[int, Meta(ge=1)] | None,
        Meta(description="Keep only the first so many dimensions (for models trained for it), then normalize again."),
    ] = None
    truncate: Truncate = "error"


EmbedInputs = Text | Annotated[list[Text], Meta(min_length=1, max_length=MAX_INPUTS)]


class EmbedRequest(Shape, frozen=True):
    """What crosses the queue for an embed job."""

    inputs: EmbedInputs
    parameters: EmbedParameters = EmbedParameters()


def _check_model(card: ModelCard, inputs: EmbedInputs, parameters: EmbedParameters) -> None:
    dimensions = parameters.dimensions
    if dimensions is not None and card.dimensions is not None and dimensions > card.dimensions:
        raise InvalidRequest(f"{card.name} has {card.dimensions} dimensions.", param="parameters.dimensions")


EMBED = TaskSpec(
    name="embed",
    family="encoder",
    graphs=("text-encoder",),
    summary="Turn texts into vectors.",
    inputs=EmbedInputs,
    parameters=EmbedParameters,
    output=list[float],
    example={"inputs": ["The first text.", "The second."]},
    check_model=_check_model,
)
