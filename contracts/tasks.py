"""The tasks a client can ask for: what each takes as inputs and parameters, and which family of workers runs it.

These types validate a request at the gateway, generate its OpenAPI document, and decode it again in the worker, so
a request can't mean two things. Shapes follow Hugging Face's task schemas.
"""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from contracts.generation import GenerateInputs, GenerateOutput, GenerateParameters
from contracts.seq2seq import (
    DenoiseOutput,
    DenoiseParameters,
    SummarizeOutput,
    SummarizeParameters,
    Text2TextOutput,
    Text2TextParameters,
    Texts,
    TranslateOutput,
    TranslateParameters,
)
from contracts.shapes import MAX_INPUTS, Shape, Text, Truncate
from contracts.task_names import Family


class TextPair(Shape, frozen=True):
    """Two texts that the model reads together, such as a premise and a hypothesis."""

    text: Text
    text_pair: Text


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


EmbedInputs = Text | Annotated[list[Text], Meta(min_length=1, max_length=MAX_INPUTS)]
ClassifyInputs = Text | TextPair | Annotated[list[Text | TextPair], Meta(min_length=1, max_length=MAX_INPUTS)]


class EmbedRequest(Shape, frozen=True):
    """What crosses the queue for an embed job."""

    inputs: EmbedInputs
    parameters: EmbedParameters = EmbedParameters()


class ClassifyRequest(Shape, frozen=True):
    """What crosses the queue for a classify job."""

    inputs: ClassifyInputs
    parameters: ClassifyParameters = ClassifyParameters()


class LabelScore(msgspec.Struct, frozen=True):
    """One label and its score."""

    label: str
    score: float


class TaskSpec(msgspec.Struct, frozen=True):
    """One task: its types, and who runs it. ``output`` is the answer for one input; many inputs give a list of it."""

    name: str
    family: Family
    inputs: Any
    parameters: type[Shape]
    output: Any
    summary: str
    streams: bool = False
    """Whether its answer can be told as it grows: ``stream`` in a request, ``output`` among a job's events."""
    takes_blank: bool = False
    """Whether a text of nothing but white space is an input: a line break is a prompt, but has no meaning to embed."""


TASKS: dict[str, TaskSpec] = {
    spec.name: spec
    for spec in (
        TaskSpec("embed", "encoder", EmbedInputs, EmbedParameters, list[float], "Turn texts into vectors."),
        TaskSpec(
            "classify",
            "encoder",
            ClassifyInputs,
            ClassifyParameters,
            list[LabelScore],
            "Score texts against a model's labels.",
        ),
        TaskSpec(
            "generate",
            "decoder",
            GenerateInputs,
            GenerateParameters,
            GenerateOutput,
            "Continue texts and conversations.",
            streams=True,
            takes_blank=True,
        ),
        TaskSpec(
            "translate",
            "seq2seq",
            Texts,
            TranslateParameters,
            TranslateOutput,
            "Translate texts of any length.",
            streams=True,
        ),
        TaskSpec(
            "summarize",
            "seq2seq",
            Texts,
            SummarizeParameters,
            SummarizeOutput,
            "Summarise texts of any length.",
            streams=True,
        ),
        TaskSpec(
            "denoise",
            "seq2seq",
            Texts,
            DenoiseParameters,
            DenoiseOutput,
            "Correct typing errors.",
            streams=True,
        ),
        TaskSpec(
            "text2text",
            "seq2seq",
            Texts,
            Text2TextParameters,
            Text2TextOutput,
            "Turn texts into whatever the model was trained to write.",
            streams=True,
        ),
    )
}


def num_inputs(inputs: object) -> int:
    """Return how many inputs a checked ``inputs`` holds: the length of a list, else 1."""
    return len(inputs) if isinstance(inputs, list) else 1
