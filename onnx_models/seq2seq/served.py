"""The package's side of a comparison of encoder-decoders: ONNX Runtime, `tokenizers` and numpy alone.

Only files of the package are used. Rows of one call may differ in the length of their past (the tokens that the decoder
has processed) and of their source. `Served` is the interface; `ServedEncoderDecoder` runs merged decoders: every row
has arrays of its own, which are batched for each call and split again. That is slow, and simple enough to be obviously
right. `onnx_models.seq2seq.served_slots` runs slot graphs.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from contracts.model_package.graphs import EncoderDecoderGraph
from contracts.model_package.package import ModelPackage
from onnx_models.verification.session import open_session, present_of, run_graph
from workers.runtime.tokenizing.sentencepiece import open_tokenizer

Floats = NDArray[np.float32]
Input = list[int] | Floats
"""Token ids of a text, ``pixel_values`` of an image, or ``input_features`` of a recording."""
ENCODER, DECODER = "encoder_model.onnx", "decoder_model_merged.onnx"
_GARBAGE = 0.5
"""Padding of caches and hidden states: not zero, so that a graph which reads it returns other numbers."""


class Served(ABC):
    """Sessions and a tokenizer over one package, on CPU. A row is a state that ``prefill`` or ``append`` returned."""

    def __init__(self, package: ModelPackage, decoder: str, *, prepack: bool = True) -> None:
        self.manifest = package.manifest
        graph = package.manifest.graph_as(EncoderDecoderGraph)
        self.generation = graph.generation
        self.vocabulary, self.padding = graph.decoder.vocabulary, graph.generation.pad_token_id
        self.max_new_tokens = package.manifest.limits.max_new_tokens or 1
        self.encoder, self.decoder = (open_session(package, name, prepack=prepack) for name in (ENCODER, decoder))
        self.tokenizer = open_tokenizer(package.file("tokenizer.json"))
        # tokenizer.json can have settings of the training; workers apply the manifest's limits instead.
        self.tokenizer.no_truncation()
        self.tokenizer.no_padding()

    def input_shape(self) -> list[int | str]:
        """Return the shape of the encoder's first input as the graph states it: numbers where it is fixed."""
        return list(self.encoder.get_inputs()[0].shape)

    def encode(self, inputs: Sequence[Input]) -> list[Floats]:
        """Run the encoder on one batch; token ids are padded on the right with id 0.

        Returns:
            For each input the source that ``prefill`` takes, float32 [positions, width], without padding.
        """
        feed = {
            self.encoder.get_inputs()[0].name: batch_of(inputs, fill=0),
            "attention_mask": batch_of([np.ones(len(each)) for each in inputs], fill=0),
        }
        encoded = self._encoded(run_graph(self.encoder, feed)).astype(np.float32)
        lengths = [len(each) if isinstance(each, list) else None for each in inputs]
        return [row[:length] for row, length in zip(encoded, lengths, strict=True)]

    @abstractmethod
    def _encoded(self, outputs: Mapping[str, NDArray[Any]]) -> NDArray[Any]:
        """Return the encoder's outputs as one array [rows, positions, width]."""

    @abstractmethod
    def prefill(self, sources: Sequence[Floats], prefix: Sequence[int]) -> tuple[list[Floats], list[Any]]:
        """Append the first tokens to new rows.

        Args:
            sources: the result of ``encode`` for each row.
            prefix: the first tokens of every output.

        Returns:
            For each row the logits, float32 [tokens, vocabulary], and the row.
        """

    @abstractmethod
    def append(self, rows: Sequence[Any], tokens: Sequence[Sequence[int]]) -> tuple[list[Floats], list[Any]]:
        """Append tokens, equally many to each row.

        Returns:
            For each row the logits, float32 [tokens, vocabulary], and its new state.
        """

    @abstractmethod
    def free(self, rows: Iterable[Any]) -> None:
        """Free rows; other rows may use their memory."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """The state of an output between two steps."""

    hidden: Floats
    """The encoder's output [positions, width]."""
    own: Mapping[str, Floats]
    """Keys and values of the decoder's tokens by the names of its inputs, each [heads, past, size]."""
    cross: Mapping[str, Floats]
    """Keys and values of the source, each [heads, positions, size]; empty if the graph recomputes them in each call."""
    past: int
    """Number of the decoder's tokens."""


class ServedEncoderDecoder(Served):
    """A merged decoder, as optimum exports it."""

    def __init__(self, package: ModelPackage) -> None:
        # Packed, the merged decoder's weights would be held once for each of its two branches.
        super().__init__(package, DECODER, prepack=False)
        self._shapes = {tensor.name: tensor.shape for tensor in self.decoder.get_inputs()}
        caches = [name for name in self._shapes if name.startswith("past_key_values.")]
        self._cross = [name for name in caches if ".encoder." in name]
        self._own = [name for name in caches if ".encoder." not in name]

    def _encoded(self, outputs: Mapping[str, NDArray[Any]]) -> NDArray[Any]:
        return outputs["last_hidden_state"]

    def prefill(self, sources: Sequence[Floats], prefix: Sequence[int]) -> tuple[list[Floats], list[Row]]:
        """Append the first tokens in one call of the graph's branch without a cache."""
        own, cross = self._empty(self._own), self._empty(self._cross)
        rows = [Row(hidden=states, own=own, cross=cross, past=0) for states in sources]
        return self.append(rows, [prefix] * len(rows))

    def append(self, rows: Sequence[Row], tokens: Sequence[Sequence[int]]) -> tuple[list[Floats], list[Row]]:
        """Append tokens in one call of the graph; the given rows do not change."""
        first, num_new = rows[0].past == 0, len(tokens[0])
        outputs = run_graph(self.decoder, self._feed(rows, tokens, first))
        after = []
        for index, row in enumerate(rows):
            own = {name: outputs[present_of(name)][index][:, -row.past - num_new :] for name in self._own}
            # Only the branch without a cache returns them; those of the other branch have a batch size of 0.
            cross = {name: outputs[present_of(name)][index][:, : len(row.hidden)] for name in self._cross if first}
            after.append(replace(row, own=own, cross=cross or row.cross, past=row.past + num_new))
        return list(outputs["logits"].astype(np.float32)), after

    def free(self, rows: Iterable[Row]) -> None:
        """Do nothing: the memory of a row is freed with the row."""

    def _feed(self, rows: Sequence[Row], tokens: Sequence[Sequence[int]], first: bool) -> dict[str, NDArray[Any]]:
        hidden = batch_of([row.hidden for row in rows])
        feed = {
            "input_ids": np.array(tokens),
            "attention_mask": batch_of([np.ones(row.past + len(tokens[0])) for row in rows], fill=0, on_left=True),
            "encoder_attention_mask": batch_of([np.ones(len(row.hidden)) for row in rows], fill=0),
            # With cached keys and values of the source, the graph ignores the hidden states. Empty ones prove it.
            "encoder_hidden_states": hidden if first or not self._cross else hidden[:, :0],
            "use_cache_branch": np.array([not first]),
        }
        own = {name: batch_of([row.own[name] for row in rows], axis=1, on_left=True) for name in self._own}
        cross = {name: batch_of([row.cross[name] for row in rows], axis=1) for name in self._cross}
        return {**feed, **own, **cross}

    def _empty(self, names: Sequence[str]) -> dict[str, Floats]:
        """Return caches without tokens, each [heads, 0, size]."""
        return {name: np.zeros((self._shapes[name][1], 0, self._shapes[name][3]), np.float32) for name in names}


def batch_of(parts: Sequence[Any], *, axis: int = 0, on_left: bool = False, fill: float = _GARBAGE) -> NDArray[Any]:
    """Return arrays as one batch, each padded along ``axis`` to the length of the longest."""
    arrays = [np.asarray(part) for part in parts]
    longest = max(array.shape[axis] for array in arrays)

    def padded(array: NDArray[Any]) -> NDArray[Any]:
        missing = longest - array.shape[axis]
        widths = [(0, 0)] * array.ndim
        widths[axis] = (missing, 0) if on_left else (0, missing)
        return np.pad(array, widths, constant_values=fill)

    return np.stack([padded(array) for array in arrays])
