"""The serving side of a comparison of encoder-decoders: ONNX Runtime, `tokenizers` and numpy alone.

Only what the package carries is used. Every row keeps arrays of its own, which are put together for each call and
taken apart again: slow, and plain enough to be sure of. Rows of one call may differ in age, the number of tokens
that their decoder has read, and in the length of their source.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from onnx_models.session import open_session
from workers.runtime.model_package import ModelPackage
from workers.runtime.sentencepieces import open_tokenizer

Floats = NDArray[np.float32]
Input = list[int] | Floats
"""Token ids of a text, ``pixel_values`` of a picture, or ``input_features`` of a recording."""
ENCODER, DECODER = "encoder_model.onnx", "decoder_model_merged.onnx"
_DTYPES = {"tensor(float)": np.float32, "tensor(float16)": np.float16, "tensor(int64)": np.int64, "tensor(bool)": bool}
_LEFTOVER = 0.5
"""Stands in the padding of caches and hidden states: not zero, so that a graph which reads there is found out."""


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


class ServedEncoderDecoder:
    """Two sessions and a tokenizer over one package; CPU only."""

    def __init__(self, package: ModelPackage) -> None:
        self.manifest = package.manifest
        generation, decoder = package.manifest.generation, package.manifest.decoder
        assert generation and decoder  # noqa: S101 (the manifest was checked when it was loaded)
        self.vocabulary, self.padding = decoder.vocabulary, generation.pad_token_id
        self.max_new_tokens = package.manifest.limits.max_new_tokens or 1
        # Else the merged decoder's weights are packed, and held, once for each of its two branches.
        self._encoder, self._decoder = (open_session(package, name, prepack=False) for name in (ENCODER, DECODER))
        self._shapes = {tensor.name: tensor.shape for tensor in self._decoder.get_inputs()}
        caches = [name for name in self._shapes if name.startswith("past_key_values.")]
        self._cross = [name for name in caches if ".encoder." in name]
        self._own = [name for name in caches if ".encoder." not in name]
        self.tokenizer = open_tokenizer(package.file("tokenizer.json"))
        self.tokenizer.no_truncation()
        self.tokenizer.no_padding()

    def input_shape(self) -> list[int | str]:
        """Return the shape of the encoder's first input as the graph states it: numbers where it is fixed."""
        return list(self._encoder.get_inputs()[0].shape)

    def encode(self, inputs: Sequence[Input]) -> list[Floats]:
        """Run the encoder on one batch; token ids are padded on the right with id 0.

        Returns:
            For each input its hidden states, float32 [positions, width], without padding.
        """
        feed = {
            self._encoder.get_inputs()[0].name: _together(inputs, fill=0),
            "attention_mask": _together([np.ones(len(each)) for each in inputs], fill=0),
        }
        hidden = _call(self._encoder, feed)["last_hidden_state"].astype(np.float32)
        lengths = [len(each) if isinstance(each, list) else None for each in inputs]
        return [row[:length] for row, length in zip(hidden, lengths, strict=True)]

    def start(self, hidden: Sequence[Floats], prefix: Sequence[int]) -> tuple[list[Floats], list[Row]]:
        """Read the first tokens of new rows, in one call of the graph's first branch.

        Args:
            hidden: for each row what ``encode`` returned.
            prefix: the tokens that every answer starts with.

        Returns:
            For each row the logits, float32 [tokens, vocabulary], and the row.
        """
        own, cross = self._nothing(self._own), self._nothing(self._cross)
        rows = [Row(hidden=states, own=own, cross=cross, age=0) for states in hidden]
        return self.read(rows, [prefix] * len(rows))

    def read(self, rows: Sequence[Row], tokens: Sequence[Sequence[int]]) -> tuple[list[Floats], list[Row]]:
        """Read more tokens, the same number in each row, in one call of the graph; the given rows stay as they are.

        Returns:
            For each row the logits, float32 [tokens, vocabulary], and the row as it is then.
        """
        first, num_new = rows[0].age == 0, len(tokens[0])
        answer = _call(self._decoder, self._feed(rows, tokens, first))
        after = []
        for index, row in enumerate(rows):
            own = {name: answer[_present(name)][index][:, -row.age - num_new :] for name in self._own}
            # Only the first branch returns them: from the other one they come with no rows at all.
            cross = {name: answer[_present(name)][index][:, : len(row.hidden)] for name in self._cross if first}
            after.append(replace(row, own=own, cross=cross or row.cross, age=row.age + num_new))
        return list(answer["logits"].astype(np.float32)), after

    def _feed(self, rows: Sequence[Row], tokens: Sequence[Sequence[int]], first: bool) -> dict[str, NDArray[Any]]:
        hidden = _together([row.hidden for row in rows])
        feed = {
            "input_ids": np.array(tokens),
            "attention_mask": _together([np.ones(row.age + len(tokens[0])) for row in rows], fill=0, on_left=True),
            "encoder_attention_mask": _together([np.ones(len(row.hidden)) for row in rows], fill=0),
            "encoder_hidden_states": hidden if first or not self._cross else hidden[:, :0],
            "use_cache_branch": np.array([not first]),
        }
        own = {name: _together([row.own[name] for row in rows], axis=1, on_left=True) for name in self._own}
        cross = {name: _together([row.cross[name] for row in rows], axis=1) for name in self._cross}
        return {**feed, **own, **cross}

    def _nothing(self, names: Sequence[str]) -> dict[str, Floats]:
        """Return caches of no tokens, each [heads, 0, size]."""
        return {name: np.zeros((self._shapes[name][1], 0, self._shapes[name][3]), np.float32) for name in names}


def _call(session: onnxruntime.InferenceSession, feed: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    arrays = {tensor.name: feed[tensor.name].astype(_DTYPES[tensor.type]) for tensor in session.get_inputs()}
    names = [tensor.name for tensor in session.get_outputs()]
    return dict(zip(names, session.run(names, arrays), strict=True))


def _present(name: str) -> str:
    return name.replace("past_key_values", "present")


def _together(parts: Sequence[Any], *, axis: int = 0, on_left: bool = False, fill: float = _LEFTOVER) -> NDArray[Any]:
    """Return arrays as one batch, each padded along ``axis`` to the length of the longest."""
    arrays = [np.asarray(part) for part in parts]
    longest = max(array.shape[axis] for array in arrays)

    def padded(array: NDArray[Any]) -> NDArray[Any]:
        missing = longest - array.shape[axis]
        widths = [(0, 0)] * array.ndim
        widths[axis] = (missing, 0) if on_left else (0, missing)
        return np.pad(array, widths, constant_values=fill)

    return np.stack([padded(array) for array in arrays])
