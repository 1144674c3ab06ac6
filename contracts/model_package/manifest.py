"""``manifest.toml``: every fact about a model that a worker needs, and the only place where such facts live.

A worker never guesses from a config of a training library. Unknown fields are refused, so a typo can't silently
change how a model is served. `onnx_models` writes manifests, `contracts.model_package.package` reads them.
"""

from typing import Annotated, Literal

import msgspec

MANIFEST = "manifest.toml"
PIECES = "pieces.json"
"""How SentencePiece cuts texts, beside the tokenizer.json of the few packages that need it."""

Family = Literal["encoder", "decoder", "seq2seq"]
Task = Literal[
    "embed", "classify", "entities", "answer", "fill_mask",
    "embed_image", "classify_image", "zero_shot_image", "denoise_image",
    "generate",
    "translate", "summarize", "denoise", "text2text", "transcribe", "caption",
]  # fmt: skip
GraphKind = Literal[
    "text-encoder", "image-encoder", "image-text", "ctc", "image-autoencoder",
    "decoder-slots", "decoder-concat", "decoder-memory",
    "encoder-decoder", "encoder-decoder-slots", "recurrent", "text-autoencoder",
]  # fmt: skip
"""What a package's graphs take and return: `contracts.model_package.signatures` lists the tensors of each kind."""
Precision = Literal["fp32", "fp16", "int8", "int4", "int8-dynamic"]
"""``int8`` and ``int4`` quantise weights only; ``int8-dynamic`` activations too, with a scale taken over the batch."""
Pooling = Literal["mean", "cls", "last_token", "none"]
Resample = Literal["nearest", "lanczos", "bilinear", "bicubic", "box", "hamming"]
"""How a picture is resized, in the order of Pillow's numbers."""
PositiveInt = Annotated[int, msgspec.Meta(ge=1)]
TokenId = Annotated[int, msgspec.Meta(ge=0)]
Figures = dict[str, str | float | int | bool]


class Table(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Base of every table: no unknown fields, and what equals its default is not written."""


class Limits(Table, frozen=True, kw_only=True):
    """What one input may weigh. ``max_tokens`` counts special tokens too; of a decoder, prompt and answer together.

    Where there are no tokens it counts samples of a recording (``ctc``) or pixels of a picture (``image-autoencoder``).
    """

    max_tokens: PositiveInt
    max_new_tokens: PositiveInt | None = None
    """seq2seq: most tokens of one answer, start token included."""


class Batching(Table, frozen=True, kw_only=True):
    """How rows are put together on CPU; measured per model, see docs/architecture."""

    max_batch_tokens: PositiveInt = 512
    """Padded tokens in one model call: rows x longest row."""
    max_padding: Annotated[float, msgspec.Meta(ge=1.0, le=2.0)] = 1.1
    """Padded tokens per real token that a batch may have."""


class Embed(Table, frozen=True, kw_only=True):
    """How token vectors become one vector; pooling ``none``: the graph answers one vector a row."""

    pooling: Pooling
    normalize: bool = True
    dimensions: PositiveInt


class Classify(Table, frozen=True, kw_only=True):
    """Labels in the order of the logits, and what turns logits into scores by default."""

    labels: Annotated[list[str], msgspec.Meta(min_length=1)]
    function_to_apply: Literal["softmax", "sigmoid", "none"] = "softmax"


class Entities(Table, frozen=True, kw_only=True):
    """Token labels in the order of the logits, with their prefixes (``B-``, ``I-``) as trained."""

    labels: Annotated[list[str], msgspec.Meta(min_length=1)]


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
    """Log-mel: frames that the graph takes, always so many; shorter recordings are padded with silence."""


class Ctc(Table, frozen=True, kw_only=True):
    """What the logits of connectionist temporal classification mean (Graves et al., 2006)."""

    labels: Annotated[list[str], msgspec.Meta(min_length=1)]
    blank_token_id: TokenId
    word_delimiter: str = "|"
    samples_per_label: PositiveInt
    """From one row of logits to the next; the first stands for the first ``audio.min_samples`` samples."""


class Decoder(Table, frozen=True, kw_only=True):
    """What the decoding loop must know beyond the graph's inputs."""

    vocabulary: PositiveInt
    """Length of the logits."""
    attention: Literal["group_query", "scatter"] | None = None
    """Slot graphs: the operator in it. Only ``scatter`` takes several rows of several tokens over different pasts."""
    memory: PositiveInt | None = None
    """Transformer-XL: rows of hidden states that are carried from call to call."""
    cross_cache: bool = False
    """Encoder-decoders: whether the first step returns keys and values of the source, which the later ones take
    instead of the encoder's output. If not, every step reads the encoder's output."""


class Generation(Table, frozen=True, kw_only=True):
    """Defaults of the source's generation config, by transformers' names; a request may change what its task allows."""

    bos_token_id: TokenId | None = None
    eos_token_ids: list[TokenId] = []
    pad_token_id: TokenId | None = None
    decoder_start_token_id: TokenId | None = None
    forced_bos_token_id: TokenId | None = None
    forced_eos_token_id: TokenId | None = None
    suppress_tokens: list[TokenId] = []
    begin_suppress_tokens: list[TokenId] = []
    bad_words_ids: list[list[TokenId]] = []
    do_sample: bool = False
    num_beams: PositiveInt = 1
    length_penalty: float = 1.0
    early_stopping: bool | Literal["never"] = False
    no_repeat_ngram_size: Annotated[int, msgspec.Meta(ge=0)] = 0
    repetition_penalty: float = 1.0
    temperature: float = 1.0
    top_k: Annotated[int, msgspec.Meta(ge=0)] = 50
    top_p: float = 1.0
    min_length: Annotated[int, msgspec.Meta(ge=0)] = 0
    max_length: PositiveInt | None = None


class Translate(Table, frozen=True, kw_only=True):
    """Languages of a translator: its own code of each, and the token that stands for it."""

    languages: dict[str, TokenId] = {}
    """Those that it is told by a token: what it writes and, with ``source``, reads. None: it has one pair only."""
    reads: list[str] = []
    """Codes of those that it reads, where it is not told which; of a model with ``source``, where they are not all."""
    writes: list[str] = []
    """Codes of what it writes, where it is not told which."""
    source: Literal["prefix", "suffix"] | None = None
    """Where the encoder reads the source language: ``code text </s>``, or ``text </s> code``; None: nowhere."""
    default_source: str | None = None
    """The source language that tokenizer.json puts there; for another one its token is replaced."""
    target: Literal["forced_bos", "decoder_start", "source_prefix"] = "forced_bos"
    """Where the target language's token goes: behind the decoder's start token, in its place, or before the text."""


class Transcribe(Table, frozen=True, kw_only=True):
    """What the decoder of a speech model reads behind its start token: language, task, no timestamps (Whisper)."""

    languages: dict[str, TokenId] = {}
    """Code to token; empty: one language, and neither it nor the task is told."""
    transcribe_token_id: TokenId | None = None
    translate_token_id: TokenId | None = None
    """Writes in English whatever is spoken."""
    no_timestamps_token_id: TokenId | None = None


class Manifest(Table, frozen=True, kw_only=True):
    """Everything in ``manifest.toml``."""

    name: Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")]
    family: Family
    task: Task
    graph: GraphKind
    architecture: str = ""
    """transformers' ``model_type``, or our own name of a classic network."""
    precision: Precision = "fp32"
    batch_safe: bool = True
    """Whether a row's answer is the same in any company; if not, workers run each row by itself.

    Graphs without a mask (``ctc``, ``image-autoencoder``, ``decoder-memory``) promise it among rows of equal size,
    and no others can share their batch."""
    source: str
    """Where the weights come from: a hub id, a package and version, or the script that trained them."""
    revision: str
    licence: str
    description: str = ""
    languages: list[str] = []
    """Codes of ISO 639 of the languages that its texts are in, where that is known and it does not translate."""
    files: dict[str, str]
    """File name to its SHA-256 as 64 hex digits."""
    limits: Limits
    batching: Batching = Batching()
    embed: Embed | None = None
    classify: Classify | None = None
    entities: Entities | None = None
    fill_mask: FillMask | None = None
    image: Image | None = None
    audio: Audio | None = None
    ctc: Ctc | None = None
    decoder: Decoder | None = None
    generation: Generation | None = None
    translate: Translate | None = None
    transcribe: Transcribe | None = None
    prompts: dict[str, str] = {}
    """What the source puts before a text, by its own name of the purpose: T5's ``summarize: ``. Workers put none."""
    quality: Figures = {}
    """What was measured on data held out from training, and how."""
    export: Figures = {}
    """Versions and options of the export."""
    verified: Figures = {}
    """What `verify` measured against the reference, and when."""

    @property
    def version(self) -> str:
        """The source's revision, and the precision where that is not the source's own."""
        return self.revision if self.precision == "fp32" else f"{self.revision}+{self.precision}"


NEEDED_TABLES: dict[str, tuple[str, ...]] = {
    "embed": ("embed",),
    "classify": ("classify",),
    "entities": ("entities",),
    "fill_mask": ("fill_mask",),
    "embed_image": ("embed", "image"),
    "classify_image": ("classify", "image"),
    "zero_shot_image": ("image",),
    "decoder-slots": ("decoder", "generation"),
    "decoder-concat": ("decoder", "generation"),
    "decoder-memory": ("decoder", "generation"),
    "encoder-decoder": ("decoder", "generation"),
    "encoder-decoder-slots": ("decoder", "generation"),
    "recurrent": ("generation",),
    "ctc": ("ctc", "audio"),
    "caption": ("image",),
    "denoise_image": ("image",),
    "transcribe": ("audio",),
}
"""Tables that a manifest must have for its task or for its kind of graph."""


def missing_tables(manifest: Manifest) -> list[str]:
    """Return the tables that the manifest's task and graph need and it lacks."""
    needed = (*NEEDED_TABLES.get(manifest.task, ()), *NEEDED_TABLES.get(manifest.graph, ()))
    return sorted({name for name in needed if getattr(manifest, name) is None})
