"""The tasks of encoder-decoders: translate, summarize, denoise, and any other text to text.

Shapes follow Hugging Face's translation, summarization and text2text-generation. What is written is steered by
`contracts.generation_parameters`.
"""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from contracts.generation import FinishReason
from contracts.generation_parameters import GenerationParameters
from contracts.shapes import MAX_INPUTS, Shape, Text, Truncate

Language = Annotated[str, Meta(min_length=1, max_length=64)]
Texts = Text | Annotated[list[Text], Meta(min_length=1, max_length=MAX_INPUTS)]
Fit = Annotated[
    Literal["error", "right", "left", "chunk"],
    Meta(
        description="What to do with a text of more tokens than the model takes: refuse it, cut that end of it, or "
        "read it in chunks, so that nothing is lost."
    ),
]
Truncation = Annotated[
    Literal["do_not_truncate", "longest_first", "only_first", "only_second"] | None,
    Meta(description="Hugging Face's word for `truncate`: `do_not_truncate` is `error`, the others are `right`."),
]
CleanUp = Annotated[bool, Meta(description="Take away spaces before punctuation and within contractions.")]


class Text2TextParameters(Shape, frozen=True):
    """How a text becomes another."""

    generate_parameters: GenerationParameters = GenerationParameters()
    clean_up_tokenization_spaces: CleanUp = False
    truncation: Truncation = None
    truncate: Truncate = "error"


class _Chunked(Shape, frozen=True):
    """Parameters of tasks that read a long text in chunks."""

    generate_parameters: GenerationParameters = GenerationParameters()
    clean_up_tokenization_spaces: CleanUp = False
    truncation: Truncation = None
    truncate: Fit = "chunk"


class TranslateParameters(_Chunked, frozen=True):
    """From which language into which. A model of one pair needs neither."""

    src_lang: Annotated[
        Language | None,
        Meta(description="Language of the text: a code of ISO 639, or the model's own. See `languages` at /v1/models."),
    ] = None
    tgt_lang: Annotated[Language | None, Meta(description="Language of the translation, by such a code.")] = None
    format: Annotated[
        Literal["text", "html"], Meta(description="`html`: tags stay where they are, and text is escaped.")
    ] = "text"


class SummarizeParameters(_Chunked, frozen=True):
    """How a text is shortened. In chunks: sentences are put together, each chunk is summarised, then the summaries."""


class DenoiseParameters(_Chunked, frozen=True):
    """How a text is corrected. In chunks: sentence by sentence."""


class TranslateRequest(Shape, frozen=True):
    """What crosses the queue for a translate job. ``stream``: tell the text as it grows, in the job's events."""

    inputs: Texts
    parameters: TranslateParameters = TranslateParameters()
    stream: bool = False


class SummarizeRequest(Shape, frozen=True):
    """What crosses the queue for a summarize job."""

    inputs: Texts
    parameters: SummarizeParameters = SummarizeParameters()
    stream: bool = False


class DenoiseRequest(Shape, frozen=True):
    """What crosses the queue for a denoise job."""

    inputs: Texts
    parameters: DenoiseParameters = DenoiseParameters()
    stream: bool = False


class Text2TextRequest(Shape, frozen=True):
    """What crosses the queue for a text2text job."""

    inputs: Texts
    parameters: Text2TextParameters = Text2TextParameters()
    stream: bool = False


class Translated(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """The answer to one input: the best, and with ``num_return_sequences`` above 1 in ``sequences`` all of them."""

    translation_text: str
    finish_reason: FinishReason
    """``length``: a chunk's answer was cut since it became too long."""
    sequences: "list[Translated]" = []

    @property
    def text(self) -> str:
        """The text that a stream tells."""
        return self.translation_text


class Summarized(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """The answer to one input, as that of a translation."""

    summary_text: str
    finish_reason: FinishReason
    sequences: "list[Summarized]" = []

    @property
    def text(self) -> str:
        """The text that a stream tells."""
        return self.summary_text


class Edit(msgspec.Struct, frozen=True):
    """A place of the input that was corrected: ``length`` characters (code points) from ``offset`` become another text.

    An insertion has the length 0, what is left out the replacement ''.
    """

    offset: int
    length: int
    replacements: list[str]


class Corrected(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """The answer to one input, as that of a translation. ``edits`` turn the input into it, in the order of offsets."""

    corrected_text: str
    finish_reason: FinishReason
    edits: list[Edit]
    sequences: "list[Corrected]" = []

    @property
    def text(self) -> str:
        """The text that a stream tells."""
        return self.corrected_text


class Rewritten(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """The answer to one input of a text2text job, as that of a translation."""

    generated_text: str
    finish_reason: FinishReason
    sequences: "list[Rewritten]" = []

    @property
    def text(self) -> str:
        """The text that a stream tells."""
        return self.generated_text
