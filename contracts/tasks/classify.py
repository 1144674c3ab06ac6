"""The classify task: texts, or pairs of texts, to scored labels."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from contracts.shapes import MAX_INPUTS, Shape, Text, TextPair, Truncate
from contracts.tasks.spec import TaskSpec


class ClassifyParameters(Shape, frozen=True):
    """How logits become scores."""

    function_to_apply: Annotated[
        Literal["softmax", "sigmoid", "none"] | None,
        Meta(
            description="What turns logits into scores; `none` gives the raw logits. Default: as the model was trained."
        ),
    ] = None
    top_k: Annotated[Annotated[int, Meta(ge=1)] | None, Meta(description="Return only the best so many labels.")] = None
    truncate: Truncate = "error"


ClassifyInputs = Text | TextPair | Annotated[list[Text | TextPair], Meta(min_length=1, max_length=MAX_INPUTS)]


class ClassifyRequest(Shape, frozen=True):
    """What crosses the queue for a classify job."""

    inputs: ClassifyInputs
    parameters: ClassifyParameters = ClassifyParameters()


class LabelScore(msgspec.Struct, frozen=True):
    """One label and its score."""

    label: str
    score: float


CLASSIFY = TaskSpec(
    name="classify",
    family="encoder",
    graphs=("text-encoder",),
    summary="Score texts against a model's labels.",
    inputs=ClassifyInputs,
    parameters=ClassifyParameters,
    output=list[LabelScore],
    example={"inputs": "I love this.", "parameters": {"top_k": 1}},
)
