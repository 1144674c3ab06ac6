"""Parameters, requests and outputs of the encoder-decoder tasks: translate, summarize, denoise and text2text.

The JSON follows the translation, summarization and text2text-generation tasks of Hugging Face. Decoding is steered by
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
TruncateOrChunk = Annotated[
    Literal["error", "right", "left", "chunk"],
    Meta(
        description="What to do with a text that has more tokens than the model reads: refuse it, cut off that end, or "
        "split it into chunks and lose nothing."
    ),
]
TruncationStrategy = Annotated[
    Literal["do_not_truncate", "longest_first", "only_first", "only_second"] | None,
    Meta(description="Hugging Face's name for `truncate`: `do_not_truncate` is `error`, the others are `right`."),
]
CleanUp = Annotated[bool, Meta(description="Remove spaces before punctuation and inside contractions.")]


class TextParameters(Shape, frozen=True):
    """Parameters that all encoder-decoder tasks share."""

    generate_parameters: GenerationParameters = GenerationParameters()
    clean_up_tokenization_spaces: CleanUp = False
    truncation: TruncationStrategy = None
    truncate: TruncateOrChunk = "chunk"

    @property
    def truncation_policy(self) -> TruncateOrChunk:
        """``truncate``, or what ``truncation`` means where the client sent that instead."""
        if self.truncation is None:
            return self.truncate
        return "error" if self.truncation == "do_not_truncate" else "right"


class TranslateParameters(TextParameters, frozen=True):
    """Source and target language, and how to translate. A model with a single language pair needs neither language."""

    src_lang: Annotated[
        Language | None,
        Meta(
            description="Language of the text: an ISO 639 code, or the model's own. `/v1/models` lists the languages "
            "of each model."
        ),
    ] = None
    tgt_lang: Annotated[Language | None, Meta(description="Language of the translation, by the same codes.")] = None
    format: Annotated[
        Literal["text", "html"],
        Meta(description="`html`: tags stay where they are, and the translated text is escaped."),
    ] = "text"


class SummarizeParameters(TextParameters, frozen=True):
    """How to summarise. Of a text that is read in chunks, each chunk is summarised, and then the joined summaries."""


class DenoiseParameters(TextParameters, frozen=True):
    """How to correct. A text that is read in chunks is corrected sentence by sentence."""


class Text2TextParameters(TextParameters, frozen=True):
    """How to generate. A text is always read whole, because only the model's author knows where it can be split."""

    truncate: Truncate = "error"


class TextRequest(Shape, frozen=True):
    """What the request of every task holds. ``stream``: publish text deltas as events of the job."""

    inputs: Texts
    parameters: TextParameters = TextParameters()
    stream: bool = False


class TranslateRequest(TextRequest, frozen=True):
    """The payload of a translate job, as it crosses the queue."""

    parameters: TranslateParameters = TranslateParameters()


class SummarizeRequest(TextRequest, frozen=True):
    """The payload of a summarize job, as it crosses the queue."""

    parameters: SummarizeParameters = SummarizeParameters()


class DenoiseRequest(TextRequest, frozen=True):
    """The payload of a denoise job, as it crosses the queue."""

    parameters: DenoiseParameters = DenoiseParameters()


class Text2TextRequest(TextRequest, frozen=True):
    """The payload of a text2text job, as it crosses the queue."""

    parameters: Text2TextParameters = Text2TextParameters()


class TextOutput(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """The output for one input. Each task has its own JSON name for ``text``, which is Hugging Face's name.

    ``finish_reason`` is ``length`` if the answer to any chunk was cut at ``max_new_tokens``. With
    ``num_return_sequences`` above 1 the output is the best sequence, and ``sequences`` holds all of them, best first.
    """

    text: str
    finish_reason: FinishReason


# Each subclass declares `text` again, because msgspec cannot rename an inherited field. It stays the first in the JSON.


class TranslateOutput(TextOutput, frozen=True, kw_only=True):
    """A translation. ``sequences`` holds all of them if the request wants several."""

    text: str = msgspec.field(name="translation_text")
    sequences: "list[TranslateOutput]" = []


class SummarizeOutput(TextOutput, frozen=True, kw_only=True):
    """A summary. ``sequences`` holds all of them if the request wants several."""

    text: str = msgspec.field(name="summary_text")
    sequences: "list[SummarizeOutput]" = []


class Edit(msgspec.Struct, frozen=True):
    """One correction: ``length`` code points of the input from ``offset`` on are replaced.

    An insertion has length 0, a deletion the replacement ''. ``replacements`` holds one text; it is a list because
    LanguageTool's format offers several.
    """

    offset: int
    length: int
    replacements: list[str]


class DenoiseOutput(TextOutput, frozen=True, kw_only=True):
    """A corrected text. ``edits``, in the order of their offsets, turn the input into it."""

    text: str = msgspec.field(name="corrected_text")
    edits: list[Edit]
    sequences: "list[DenoiseOutput]" = []


class Text2TextOutput(TextOutput, frozen=True, kw_only=True):
    """A generated text. ``sequences`` holds all of them if the request wants several."""

    text: str = msgspec.field(name="generated_text")
    sequences: "list[Text2TextOutput]" = []
