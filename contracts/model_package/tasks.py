"""The tasks that a package may serve, and the tables of a manifest that each task needs.

``task`` in a manifest names a task. In code it is one of the structs below, so code with an ``EmbedTask`` has its
``embed`` table.
"""

from typing import Literal, cast

from contracts.model_package.table import Labels, PositiveInt, Table, TokenId
from contracts.task_names import TaskName

Pooling = Literal["mean", "cls", "last_token", "none"]
Resample = Literal["nearest", "lanczos", "bilinear", "bicubic", "box", "hamming"]


class Embed(Table, frozen=True, kw_only=True):
    """How token vectors become one vector. Pooling ``none``: the graph itself returns one vector for each row."""

    pooling: Pooling
    normalize: bool = True
    dimensions: PositiveInt


class Classify(Table, frozen=True, kw_only=True):
    """Labels in the order of the logits, and the function that turns logits into scores by default."""

    labels: Labels
    function_to_apply: Literal["softmax", "sigmoid", "none"] = "softmax"


class TokenClassify(Table, frozen=True, kw_only=True):
    """Token labels in the order of the logits, with their prefixes (``B-``, ``I-``) as trained."""

    labels: Labels


class FillMask(Table, frozen=True, kw_only=True):
    """The token that stands for a gap."""

    mask_token: str
    mask_token_id: TokenId


class Image(Table, frozen=True, kw_only=True):
    """How a picture becomes ``pixel_values``, float32 [rows, channels, height, width]; steps in the order of fields."""

    resize: list[PositiveInt]
    """[shortest edge], or [height, width]; empty: a picture keeps its size."""
    resample: Resample = "bicubic"
    crop: list[PositiveInt] | None = None
    """[height, width] of the middle."""
    rescale: float = 1 / 255
    mean: list[float]
    std: list[float]


class Audio(Table, frozen=True, kw_only=True):
    """How sound becomes the graph's input."""

    sampling_rate: PositiveInt
    features: Literal["waveform", "log_mel"]
    normalize: bool = False
    """Waveform: zero mean and unit variance for each recording."""
    min_samples: PositiveInt = 1
    """Waveform: fewest samples that the graph can take; shorter recordings are padded with silence."""
    num_mel_bins: PositiveInt | None = None
    n_fft: PositiveInt | None = None
    hop_length: PositiveInt | None = None
    num_frames: PositiveInt | None = None
    """Log-mel: the fixed number of frames that the graph takes; shorter recordings are padded with silence."""


class Translate(Table, frozen=True, kw_only=True):
    """Languages of a translator: its own code of each language, and the token that stands for it."""

    languages: dict[str, TokenId] = {}
    """Languages that are selected by a token: the target and, with ``source``, the source. Empty: the model translates
    one pair only, or its languages are named in ``prompts``."""
    reads: list[str] = []
    """Codes of the source languages where no token selects them; with ``source``, where they are not all languages."""
    writes: list[str] = []
    """Codes of the target languages where no token selects them."""
    source: Literal["prefix", "suffix"] | None = None
    """Where the encoder reads the source language: ``code text </s>``, or ``text </s> code``; None: nowhere."""
    default_source: str | None = None
    """The source language whose token tokenizer.json inserts; for another language that token is replaced."""
    target: Literal["forced_bos", "decoder_start", "source_prefix"] = "forced_bos"
    """Where the target language's token goes: after the decoder's start token, in its place, or before the text."""


class Transcribe(Table, frozen=True, kw_only=True):
    """What the decoder of a speech model reads after its start token: language, task, no timestamps (Whisper)."""

    languages: dict[str, TokenId] = {}
    """Code to token. Empty: the model has one language, and reads no tokens of languages and tasks."""
    transcribe_token_id: TokenId | None = None
    translate_token_id: TokenId | None = None
    """Selects a translation into English."""
    no_timestamps_token_id: TokenId | None = None


class TaskTables(Table, frozen=True, kw_only=True, tag_field="name"):
    """Base of all tasks."""

    @property
    def name(self) -> TaskName:
        """Return the task's canonical name."""
        return cast(TaskName, self.__struct_config__.tag)


class ImageTask(TaskTables, frozen=True, kw_only=True):
    """Base of the tasks that read pictures."""

    image: Image


class EmbedTask(TaskTables, frozen=True, kw_only=True, tag="embed"):
    """Texts to vectors."""

    embed: Embed


class ClassifyTask(TaskTables, frozen=True, kw_only=True, tag="classify"):
    """Texts, or pairs of texts, to scores of labels."""

    classify: Classify


class TokenClassifyTask(TaskTables, frozen=True, kw_only=True, tag="token-classify"):
    """Texts to labelled spans."""

    token_classify: TokenClassify


class QuestionAnswerTask(TaskTables, frozen=True, kw_only=True, tag="question-answer"):
    """Questions and contexts to spans of the contexts."""


class FillMaskTask(TaskTables, frozen=True, kw_only=True, tag="fill-mask"):
    """Texts with a gap to words for the gap."""

    fill_mask: FillMask


class EmbedImageTask(ImageTask, frozen=True, kw_only=True, tag="embed-image"):
    """Pictures to vectors."""

    embed: Embed


class ClassifyImageTask(ImageTask, frozen=True, kw_only=True, tag="classify-image"):
    """Pictures to scores of labels."""

    classify: Classify


VectorTask = EmbedTask | EmbedImageTask


class ZeroShotImageTask(ImageTask, frozen=True, kw_only=True, tag="zero-shot-image"):
    """Pictures and texts to scores of how well they match."""


class DenoiseImageTask(ImageTask, frozen=True, kw_only=True, tag="denoise-image"):
    """Pictures to cleaned pictures."""


class GenerateTask(TaskTables, frozen=True, kw_only=True, tag="generate"):
    """Texts and conversations to their continuation."""


class TranslateTask(TaskTables, frozen=True, kw_only=True, tag="translate"):
    """Texts to texts in another language."""

    translate: Translate = Translate()


class SummarizeTask(TaskTables, frozen=True, kw_only=True, tag="summarize"):
    """Texts to shorter texts."""


class DenoiseTask(TaskTables, frozen=True, kw_only=True, tag="denoise"):
    """Texts to corrected texts."""


class Text2TextTask(TaskTables, frozen=True, kw_only=True, tag="text2text"):
    """Texts to whatever the model was trained to write."""


class TranscribeTask(TaskTables, frozen=True, kw_only=True, tag="transcribe"):
    """Recordings to texts."""

    audio: Audio
    transcribe: Transcribe = Transcribe()


class CaptionTask(ImageTask, frozen=True, kw_only=True, tag="caption"):
    """Pictures to texts that describe them."""


Task = (
    EmbedTask
    | ClassifyTask
    | TokenClassifyTask
    | QuestionAnswerTask
    | FillMaskTask
    | EmbedImageTask
    | ClassifyImageTask
    | ZeroShotImageTask
    | DenoiseImageTask
    | GenerateTask
    | TranslateTask
    | SummarizeTask
    | DenoiseTask
    | Text2TextTask
    | TranscribeTask
    | CaptionTask
)
"""Any task; ``name`` is the tag of the union."""
