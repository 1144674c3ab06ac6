"""The serving side of a comparison of encoder-decoders: ONNX Runtime, `tokenizers` and numpy alone.

Only what the package carries is used. Rows of one call may differ in age, the number of tokens that their decoder has
read, and in the length of their source. Here is what all have in common, and how a merged decoder is served: every row
keeps arrays of its own, which are put together for each call and taken apart again: slow, and plain enough to be sure
of. `onnx_models.seq2seq.served_slots` has slot graphs.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from contracts.model_package.graphs import EncoderDecoderGraph
from contracts.model_package.package import ModelPackage
from onnx_models.verification.session import open_session
from workers.runtime.tokenizing.sentencepiece import open_tokenizer

Floats = NDArray[np.float32]
Input = list[int] | Floats
"""Token ids of a text, ``pixel_values`` of a picture, or ``input_features`` of a recording."""
ENCODER, DECODER = "encoder_model.onnx", "decoder_model_merged.onnx"
_DTYPES = {"tensor(float)": np.float32, "tensor(float16)": np.float16, "tensor(int64)": np.int64, "tensor(bool)": bool}
_LEFTOVER = 0.5
"""Stands in the padding of caches and hidden states: not zero, so that a graph which reads there is found out."""


class Served(ABC):
    """Sessions and a tokenizer over one package; CPU only. A row is whatever ``start`` returned for it."""

    def __init__(self, package: ModelPackage, decoder: str, *, prepack: bool = True) -> None:
        self.manifest = package.manifest
        graph = package.manifest.graph_as(EncoderDecoderGraph)
        self.generation = graph.generation
        self.vocabulary, self.padding = graph.decoder.vocabulary, graph.generation.pad_token_id
        self.max_new_tokens = package.manifest.limits.max_new_tokens or 1
        self.encoder, self.decoder = (open_session(package, name, prepack=prepack) for name in (ENCODER, decoder))
        self.tokenizer = open_tokenizer(package.file("tokenizer.json"))
        self.tokenizer.no_truncation()
        self.tokenizer.no_padding()

    def input_shape(self) -> list[int | str]:
        """Return the shape of the encoder's first input as the graph states it: numbers where it is fixed."""
        return list(self.encoder.get_inputs()[0].shape)

    def encode(self, inputs: Sequence[Input]) -> list[Floats]:
        """Run the encoder on one batch; token ids are padded on the right with id 0.

        Returns:
            For each input what ``start`` wants of it, float32 [positions, width], without padding.
        """
        feed = {
            self.encoder.get_inputs()[0].name: together(inputs, fill=0),
            "attention_mask": together([np.ones(len(each)) for each in inputs], fill=0),
        }
        encoded = self._encoded(call(self.encoder, feed)).astype(np.float32)
        lengths = [len(each) if isinstance(each, list) else None for each in inputs]
        return [row[:length] for row, length in zip(encoded, lengths, strict=True)]

    @abstractmethod
    def _encoded(self, answer: Mapping[str, NDArray[Any]]) -> NDArray[Any]:
        """Make one array [rows, positions, width] of what the encoder answered."""

    @abstractmethod
    def start(self, sources: Sequence[Floats], prefix: Sequence[int]) -> tuple[list[Floats], list[Any]]:
        """Read the first tokens of new rows.

        Args:
            sources: for each row what ``encode`` returned.
            prefix: the tokens that every answer starts with.

        Returns:
            For each row the logits, float32 [tokens, vocabulary], and the row.
        """

    @abstractmethod
    def read(self, rows: Sequence[Any], tokens: Sequence[Sequence[int]]) -> tuple[list[Floats], list[Any]]:
        """Read more tokens, the same number in each row.

        Returns:
            For each row the logits, float32 [tokens, vocabulary], and the row as it is then.
        """

    @abstractmethod
    def leave(self, rows: Iterable[Any]) -> None:
        """Forget rows; others may have their places then."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """What an answer in the making needs from one step to the next."""

    hidden: Floats
    """The encoder's output [positions, width]."""
    own: Mapping[str, Floats]
    """Keys and values of the tokens read, by the decoder's input, each [heads, age, size]."""
    cross: Mapping[str, Floats]
    """Keys and values of the source, each [heads, positions, size]; none where the graph makes them every time."""
    age: int


class ServedEncoderDecoder(Served):
    """A merged decoder, as optimum has them."""

    def __init__(self, package: ModelPackage) -> None:
        # Packed, the merged decoder's weights would be held once for each of its two branches.
        super().__init__(package, DECODER, prepack=False)
        self._shapes = {tensor.name: tensor.shape for tensor in self.decoder.get_inputs()}
        caches = [name for name in self._shapes if name.startswith("past_key_values.")]
        self._cross = [name for name in caches if ".encoder." in name]
        self._own = [name for name in caches if ".encoder." not in name]

    def _encoded(self, answer: Mapping[str, NDArray[Any]]) -> NDArray[Any]:
        return answer["last_hidden_state"]

    def start(self, sources: Sequence[Floats], prefix: Sequence[int]) -> tuple[list[Floats], list[Row]]:
        """Read the first tokens in one call of the graph's first branch. See `Served`."""
        own, cross = self._nothing(self._own), self._nothing(self._cross)
        rows = [Row(hidden=states, own=own, cross=cross, age=0) for states in sources]
        return self.read(rows, [prefix] * len(rows))

    def read(self, rows: Sequence[Row], tokens: Sequence[Sequence[int]]) -> tuple[list[Floats], list[Row]]:
        """Read more tokens in one call of the graph; the given rows stay as they are. See `Served`."""
        first, num_new = rows[0].age == 0, len(tokens[0])
        answer = call(self.decoder, self._feed(rows, tokens, first))
        after = []
        for index, row in enumerate(rows):
            own = {name: answer[present(name)][index][:, -row.age - num_new :] for name in self._own}
            # Only the first branch returns them: from the other one they come with no rows at all.
            cross = {name: answer[present(name)][index][:, : len(row.hidden)] for name in self._cross if first}
            after.append(replace(row, own=own, cross=cross or row.cross, age=row.age + num_new))
        return list(answer["logits"].astype(np.float32)), after

    def leave(self, rows: Iterable[Row]) -> None:
        """Do nothing: a row that nobody holds is forgotten. See `Served`."""

    def _feed(self, rows: Sequence[Row], tokens: Sequence[Sequence[int]], first: bool) -> dict[str, NDArray[Any]]:
        hidden = together([row.hidden for row in rows])
        feed = {
            "input_ids": np.array(tokens),
            "attention_mask": together([np.ones(row.age + len(tokens[0])) for row in rows], fill=0, on_left=True),
            "encoder_attention_mask": together([np.ones(len(row.hidden)) for row in rows], fill=0),
            "encoder_hidden_states": hidden if first or not self._cross else hidden[:, :0],
            "use_cache_branch": np.array([not first]),
        }
        own = {name: together([row.own[name] for row in rows], axis=1, on_left=True) for name in self._own}
        cross = {name: together([row.cross[name] for row in rows], axis=1) for name in self._cross}
        return {**feed, **own, **cross}

    def _nothing(self, names: Sequence[str]) -> dict[str, Floats]:
        """Return caches of no tokens, each [heads, 0, size]."""
        return {name: np.zeros((self._shapes[name][1], 0, self._shapes[name][3]), np.float32) for name in names}


def call(session: onnxruntime.InferenceSession, feed: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """Run a graph on what it takes of a feed; return its outputs by their names."""
    arrays = {tensor.name: feed[tensor.name].astype(_DTYPES[tensor.type]) for tensor in session.get_inputs()}
    names = [tensor.name for tensor in session.get_outputs()]
    return dict(zip(names, session.run(names, arrays), strict=True))


def present(name: str) -> str:
    """Return the output that an input becomes."""
    return name.replace("past_key_values", "present")


def together(parts: Sequence[Any], *, axis: int = 0, on_left: bool = False, fill: float = _LEFTOVER) -> NDArray[Any]:
    """Return arrays as one batch, each padded along ``axis`` to the length of the longest."""
    arrays = [np.asarray(part) for part in parts]
    longest = max(array.shape[axis] for array in arrays)

    def padded(array: NDArray[Any]) -> NDArray[Any]:
        missing = longest - array.shape[axis]
        widths = [(0, 0)] * array.ndim
        widths[axis] = (missing, 0) if on_left else (0, missing)
        return np.pad(array, widths, constant_values=fill)

    return np.stack([padded(array) for array in arrays])
