"""The generate task: what a client may ask of a text generator, and what it gets back, whole and piece by piece.

Shapes follow Hugging Face's text generation (TGI). A conversation is OpenAI's ``messages``.
"""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from contracts.sampling import SamplingParameters
from contracts.shapes import MAX_INPUTS, Shape, Text, Truncate

MAX_SEQUENCES = 16
MAX_MESSAGES = 1024
MAX_TOP_TOKENS = 20
DEFAULT_NEW_TOKENS = 256
"""Most tokens of an answer where the request names no number, or as many as the model has room for."""

FinishReason = Literal["length", "eos_token", "stop_sequence"]
Role = Literal["system", "developer", "user", "assistant", "tool"]


class TextPart(Shape, frozen=True):
    """A part of a message; texts only."""

    type: Literal["text"]
    text: str


class Message(Shape, frozen=True):
    """One turn of a conversation. ``developer`` is another word for ``system``."""

    role: Role
    content: str | list[TextPart]
    name: Annotated[str | None, Meta(description="Who speaks, for chat templates that tell them apart.")] = None

    @property
    def text(self) -> str:
        """The content as one text."""
        return self.content if isinstance(self.content, str) else "".join(part.text for part in self.content)


class Conversation(Shape, frozen=True):
    """Messages that the model's chat template turns into a prompt; the model writes the next one."""

    messages: Annotated[list[Message], Meta(min_length=1, max_length=MAX_MESSAGES)]


class GenerateParameters(SamplingParameters, frozen=True):
    """How a text is continued. What is not given is as the model's package says."""

    max_new_tokens: Annotated[
        Annotated[int, Meta(ge=1, le=1_000_000)] | None,
        Meta(description=f"Most tokens of the answer. Default: {DEFAULT_NEW_TOKENS}, or what room the prompt leaves."),
    ] = None
    repetition_penalty: Annotated[
        Annotated[float, Meta(gt=0, le=100)] | None,
        Meta(description="Above 1: tokens of the prompt and of the answer so far become less likely."),
    ] = None
    frequency_penalty: Annotated[
        float, Meta(ge=-2, le=2, description="Taken off a token's logit for each time that the answer has it.")
    ] = 0.0
    presence_penalty: Annotated[
        float, Meta(ge=-2, le=2, description="Taken off a token's logit once the answer has it.")
    ] = 0.0
    n: Annotated[int, Meta(ge=1, le=MAX_SEQUENCES, description="How many answers to give.")] = 1
    best_of: Annotated[
        Annotated[int, Meta(ge=1, le=MAX_SEQUENCES)] | None,
        Meta(description="How many to write; the `n` with the highest mean log-probability of a token are given."),
    ] = None
    return_full_text: Annotated[bool, Meta(description="Put the prompt before the answer.")] = False
    details: Annotated[bool, Meta(description="Tell each token with its log-probability.")] = False
    top_n_tokens: Annotated[
        int, Meta(ge=0, le=MAX_TOP_TOKENS, description="With `details`: so many of the likeliest tokens at each place.")
    ] = 0
    truncate: Truncate = "error"

    def __post_init__(self) -> None:
        """Refuse parameters that contradict each other; msgspec turns the ValueError into an error of validation."""
        if self.best_of is not None and self.best_of < self.n:
            raise ValueError("Expected best_of to be at least n")
        if self.top_n_tokens and not self.details:
            raise ValueError("top_n_tokens is told with details only: set details to true")

    @property
    def num_written(self) -> int:
        """How many answers are written for each input."""
        return self.best_of or self.n


GenerateInputs = Text | Conversation | Annotated[list[Text | Conversation], Meta(min_length=1, max_length=MAX_INPUTS)]


class GenerateRequest(Shape, frozen=True):
    """What crosses the queue for a generate job. ``stream``: tell the text as it grows, in the job's events."""

    inputs: GenerateInputs
    parameters: GenerateParameters = GenerateParameters()
    stream: bool = False


class Token(msgspec.Struct, frozen=True):
    """One token. ``logprob`` is its natural log-probability under the model, before sampling changes it."""

    id: int
    text: str
    logprob: float
    special: bool = False


class Details(msgspec.Struct, frozen=True, kw_only=True):
    """An answer token by token. ``top_tokens`` has a list for each token, the likeliest first."""

    finish_reason: FinishReason
    generated_tokens: int
    seed: int | None
    tokens: list[Token]
    top_tokens: list[list[Token]] = []


class GeneratedSequence(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """One answer."""

    generated_text: str
    finish_reason: FinishReason
    details: Details | None = None

    @property
    def text(self) -> str:
        """The text that a stream tells."""
        return self.generated_text


class Generated(GeneratedSequence, frozen=True, omit_defaults=True, kw_only=True):
    """The answer to one input: the best, and with ``n`` above 1 in ``sequences`` all of them, best first.

    Texts that were streamed stand there by their numbers, under which their pieces were told; then the first is given.
    """

    sequences: list[GeneratedSequence] = []


class TextDelta(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """The text and tokens that one sequence of a streamed job gained; the last delta has the ``finish_reason``.

    ``text`` never ends within a character, and never shows a part of what may become a stop text. So it may lag behind
    ``tokens``, which are told for jobs with ``details`` only. Their own texts are for people to look at: put together
    they need not give the text.
    """

    input: int = 0
    sequence: int = 0
    text: str = ""
    tokens: list[Token] = []
    top_tokens: list[list[Token]] = []
    finish_reason: FinishReason | None = None
