"""The kinds of graphs, and the tables of a manifest that each kind needs.

``graph`` in a manifest names a kind; `contracts.model_package.signatures` lists the tensors of each. In code it is one
of the structs below, so code with a ``DecoderSlots`` has its ``decoder`` and ``generation`` tables.
"""

from typing import Annotated, Literal, cast

import msgspec

from contracts.model_package.table import Labels, PositiveInt, Table, TokenId

# Each is the tag of a struct below, too; a test compares the two lists (docs/decisions/0019).
GraphKind = Literal[
    "text-encoder", "image-encoder", "image-text", "ctc", "image-autoencoder",
    "decoder-slots", "decoder-concat", "decoder-memory",
    "encoder-decoder", "encoder-decoder-slots", "recurrent", "text-autoencoder",
]  # fmt: skip
Attention = Literal["group_query", "scatter"]


class Ctc(Table, frozen=True, kw_only=True):
    """What the logits of connectionist temporal classification mean (Graves et al., 2006)."""

    labels: Labels
    blank_token_id: TokenId
    word_delimiter: str = "|"
    samples_per_label: PositiveInt
    """Samples from one row of logits to the next. The first row covers the first ``audio.min_samples`` samples."""


class Decoder(Table, frozen=True, kw_only=True):
    """What decoding needs to know beyond the graph's inputs."""

    vocabulary: PositiveInt
    """Length of the logits."""


class SlotDecoder(Decoder, frozen=True, kw_only=True):
    """A decoder whose KV cache has slots."""

    attention: Attention | None = None
    """The attention operator. Only ``scatter`` takes several rows of several tokens over pasts of different length."""


class MemoryDecoder(Decoder, frozen=True, kw_only=True):
    """Transformer-XL."""

    memory: PositiveInt
    """Number of hidden states that are carried from call to call."""


class CrossDecoder(Decoder, frozen=True, kw_only=True):
    """The decoder of an encoder-decoder."""

    cross_cache: bool = False
    """Whether the first step returns keys and values of the source, which later steps take instead of the encoder's
    output. If not, every step takes the encoder's output."""


class CrossSlotDecoder(SlotDecoder, frozen=True, kw_only=True):
    """The decoder of an encoder-decoder, with slots for keys and values of both the answer and the source."""

    cross_cache: bool = False
    """As in ``CrossDecoder``; packages with slots always state true."""


class Generation(Table, frozen=True, kw_only=True):
    """Defaults of the source's generation config, by transformers' names. A request may change what its task allows."""

    bos_token_id: TokenId | None = None
    eos_token_ids: list[TokenId] = []
    pad_token_id: TokenId | None = None
    decoder_start_token_id: TokenId | None = None
    forced_bos_token_id: TokenId | None = None
    forced_eos_token_id: TokenId | None = None
    suppress_tokens: list[TokenId] = []
    begin_suppress_tokens: list[TokenId] = []
    bad_words_ids: list[list[TokenId]] = []
    # The defaults are those of transformers' GenerationConfig, so that a manifest only states what a source changes.
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


class GraphTables(Table, frozen=True, kw_only=True, tag_field="kind"):
    """Base of all kinds."""

    @property
    def kind(self) -> GraphKind:
        """Return the kind's name in a manifest."""
        return cast(GraphKind, self.__struct_config__.tag)


class GeneratorGraph(GraphTables, frozen=True, kw_only=True):
    """Base of the kinds that generate token by token."""

    generation: Generation


class DecoderGraph(GeneratorGraph, frozen=True, kw_only=True):
    """Base of the kinds that continue a text."""

    decoder: Decoder


class EncoderDecoderGraph(GeneratorGraph, frozen=True, kw_only=True):
    """Base of the kinds with an encoder and a decoder with attention to its output."""

    decoder: CrossDecoder | CrossSlotDecoder


class TextEncoder(GraphTables, frozen=True, kw_only=True, tag="text-encoder"):
    """Token ids in; vectors or logits out, in one call."""


class ImageEncoder(GraphTables, frozen=True, kw_only=True, tag="image-encoder"):
    """Pixels in; vectors or logits out, in one call."""


class ImageText(GraphTables, frozen=True, kw_only=True, tag="image-text"):
    """Pixels and token ids in; the similarity of each picture and each text out."""


class CtcEncoder(GraphTables, frozen=True, kw_only=True, tag="ctc"):
    """A waveform in; a row of logits for each step out. There is no mask."""

    ctc: Ctc


class ImageAutoencoder(GraphTables, frozen=True, kw_only=True, tag="image-autoencoder"):
    """Pixels in; cleaned pixels, an anomaly score and a map of errors out. There is no mask."""


class TextAutoencoder(GraphTables, frozen=True, kw_only=True, tag="text-autoencoder"):
    """Token ids in; logits of as many tokens and an anomaly score out, in one call."""


class DecoderSlots(DecoderGraph, frozen=True, kw_only=True, tag="decoder-slots"):
    """A decoder that writes its KV cache in place, in slots of a fixed length."""

    decoder: SlotDecoder


class DecoderConcat(DecoderGraph, frozen=True, kw_only=True, tag="decoder-concat"):
    """A decoder that returns its KV cache one position longer at each step, as optimum exports it."""


class DecoderMemory(DecoderGraph, frozen=True, kw_only=True, tag="decoder-memory"):
    """A decoder that carries hidden states of a fixed number of tokens instead of a KV cache. There is no mask."""

    decoder: MemoryDecoder


class EncoderDecoder(EncoderDecoderGraph, frozen=True, kw_only=True, tag="encoder-decoder"):
    """An encoder and a decoder with a branch for the first step, as optimum exports them."""

    decoder: CrossDecoder


class EncoderDecoderSlots(EncoderDecoderGraph, frozen=True, kw_only=True, tag="encoder-decoder-slots"):
    """An encoder, and a decoder that writes its KV cache in place."""

    decoder: CrossSlotDecoder


class Recurrent(GeneratorGraph, frozen=True, kw_only=True, tag="recurrent"):
    """An encoder, and a recurrent decoder that carries a hidden state and a cell state."""


Graph = (
    TextEncoder
    | ImageEncoder
    | ImageText
    | CtcEncoder
    | ImageAutoencoder
    | TextAutoencoder
    | DecoderSlots
    | DecoderConcat
    | DecoderMemory
    | EncoderDecoder
    | EncoderDecoderSlots
    | Recurrent
)
"""Any kind of graph; ``kind`` is the tag of the union."""
