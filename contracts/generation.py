"""Parameters, request and output of the generate task, and the text deltas of every task that streams.

The JSON follows Hugging Face's text generation (TGI). A conversation is OpenAI's ``messages``.
"""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from contracts.sampling import SamplingParameters
from contracts.shapes import MAX_INPUTS, Shape, Text, Truncate

MAX_SEQUENCES = 16
MAX_MESSAGES = 1024
# The maximum of OpenAI's top_logprobs, which the gateway serves by this task.
MAX_TOP_TOKENS = 20
DEFAULT_NEW_TOKENS = 256
"""``max_new_tokens`` of a request that does not set it; less if the prompt leaves less room in the context."""

FinishReason = Literal["length", "eos_token", "stop_sequence"]
Role = Literal["system", "developer", "user", "assistant", "tool"]


class TextPart(Shape, frozen=True):
    """One content part of a message. Only text parts are supported."""

    type: Literal["text"]
    text: str


class Message(Shape, frozen=True):
    """One message of a conversation. ``developer`` means the same as ``system``."""

    role: Role
    content: str | list[TextPart]
    name: Annotated[str | None, Meta(description="Name of the participant, for chat templates that use it.")] = None

    @property
    def text(self) -> str:
        """The content, with its parts concatenated."""
        return self.content if isinstance(self.content, str) else "".join(part.text for part in self.content)


class Conversation(Shape, frozen=True):
    """Messages that the model's chat template turns into a prompt. The model generates the next message."""

    messages: Annotated[list[Message], Meta(min_length=1, max_length=MAX_MESSAGES)]


class GenerateParameters(SamplingParameters, frozen=True):
    """How to continue a text. Parameters that are not set default to the model package's."""

    max_new_tokens: Annotated[
        Annotated[int, Meta(ge=1, le=1_000_000)] | None,
        Meta(
            description=f"Most tokens to generate. Default: {DEFAULT_NEW_TOKENS}, or the room that the prompt leaves."
        ),
    ] = None
    repetition_penalty: Annotated[
        Annotated[float, Meta(gt=0, le=100)] | None,
        Meta(description="Above 1: tokens that the prompt or the answer already has become less likely."),
    ] = None
    # The range of OpenAI's two penalties.
    frequency_penalty: Annotated[
        float, Meta(ge=-2, le=2, description="Subtracted from a token's logit once per occurrence in the answer.")
    ] = 0.0
    presence_penalty: Annotated[
        float, Meta(ge=-2, le=2, description="Subtracted from a token's logit if it occurs in the answer.")
    ] = 0.0
    n: Annotated[int, Meta(ge=1, le=MAX_SEQUENCES, description="How many sequences to return.")] = 1
    best_of: Annotated[
        Annotated[int, Meta(ge=1, le=MAX_SEQUENCES)] | None,
        Meta(description="How many sequences to generate; the `n` with the highest mean log-probability are returned."),
    ] = None
    return_full_text: Annotated[bool, Meta(description="Prepend the prompt to the answer.")] = False
    details: Annotated[bool, Meta(description="Return each token with its log-probability.")] = False
    top_n_tokens: Annotated[
        int,
        Meta(ge=0, le=MAX_TOP_TOKENS, description="With `details`: this many most likely tokens per position."),
    ] = 0
    truncate: Truncate = "error"

    def __post_init__(self) -> None:
        """Refuse parameters that contradict each other.

        Raises:
            ValueError: they do. msgspec turns it into a ``ValidationError`` when it decodes.
        """
        if self.best_of is not None and self.best_of < self.n:
            raise ValueError("Expected best_of to be at least n")
        if self.top_n_tokens and not self.details:
            raise ValueError("top_n_tokens needs details: set details to true")

    @property
    def num_sequences(self) -> int:
        """How many sequences are generated for each input. At least ``n`` of them are returned."""
        return self.best_of or self.n


GenerateInputs = Text | Conversation | Annotated[list[Text | Conversation], Meta(min_length=1, max_length=MAX_INPUTS)]


class GenerateRequest(Shape, frozen=True):
    """The payload of a generate job, as it crosses the queue. ``stream``: publish deltas as events of the job."""

    inputs: GenerateInputs
    parameters: GenerateParameters = GenerateParameters()
    stream: bool = False


class Token(msgspec.Struct, frozen=True, gc=False):
    """A generated token. ``logprob`` is the natural logarithm of its probability before penalties and temperature."""

    id: int
    text: str
    logprob: float
    special: bool = False


class Details(msgspec.Struct, frozen=True, kw_only=True):
    """The tokens of one sequence. ``top_tokens`` has one list for each of them, most likely token first."""

    finish_reason: FinishReason
    generated_tokens: int
    seed: int | None
    tokens: list[Token]
    top_tokens: list[list[Token]] = []


class GeneratedSequence(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """One generated sequence."""

    generated_text: str
    finish_reason: FinishReason
    details: Details | None = None

    @property
    def text(self) -> str:
        """The text that the deltas of a stream add up to."""
        return self.generated_text


class GenerateOutput(GeneratedSequence, frozen=True, omit_defaults=True, kw_only=True):
    """The output for one input: the best sequence, and with ``n`` above 1 all of them in ``sequences``, best first.

    The sequences of a streamed job keep the numbers of their deltas instead, and the output is sequence 0: a client has
    seen the texts under these numbers before anybody can know which is the best.
    """

    sequences: list[GeneratedSequence] = []


class TextDelta(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """The text and tokens that one sequence of a streamed job gained; the last delta has the ``finish_reason``.

    ``text`` never ends inside a character, and never shows a prefix of a possible stop string. So it may lag behind
    ``tokens``, which only jobs with ``details`` get. The texts of the tokens are for display: concatenated, they need
    not be the text.
    """

    input: int = 0
    sequence: int = 0
    text: str = ""
    tokens: list[Token] = []
    top_tokens: list[list[Token]] = []
    finish_reason: FinishReason | None = None
