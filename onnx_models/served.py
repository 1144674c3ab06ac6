"""The serving side of a comparison: a package answers texts with ONNX Runtime, `tokenizers` and numpy alone.

Only what the package carries is used, so that what is compared is what workers serve. The steps are written out here
and not taken from the workers: a second, plain implementation is what makes a comparison worth something.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from tokenizers import Tokenizer

from workers.runtime.model_package import ModelPackage, Pooling

Floats = NDArray[np.float32]
Text = str | tuple[str, str]
"""One text, or a pair that is read as one row."""


class Row(NamedTuple):
    """Token ids of one row, and for each whether it belongs to the first or to the second text of a pair."""

    ids: list[int]
    type_ids: list[int]


class ServedModel:
    """A session and a tokenizer over one package; CPU only."""

    def __init__(self, package: ModelPackage) -> None:
        self.manifest = package.manifest
        options = onnxruntime.SessionOptions()
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        graph = str(package.file("model.onnx"))
        self._session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
        self.inputs = [tensor.name for tensor in self._session.get_inputs()]
        self.tokenizer = Tokenizer.from_file(str(package.file("tokenizer.json")))
        self.tokenizer.no_truncation()
        self.tokenizer.no_padding()

    def tokenize(self, text: Text) -> Row:
        """Return token ids, special tokens included, neither cut nor padded."""
        encoding = self.tokenizer.encode(*((text,) if isinstance(text, str) else text))
        return Row(list(encoding.ids), list(encoding.type_ids))

    def run(self, rows: Sequence[Row]) -> tuple[Floats, NDArray[np.int64]]:
        """Run rows of token ids as one batch, padded on the right with id 0.

        Returns:
            The graph's output, float32 [rows, tokens, dimensions] or [rows, labels], and the attention mask, int64
            [rows, tokens].
        """
        longest = max(len(row.ids) for row in rows)
        ids, mask, types = (np.zeros((len(rows), longest), dtype=np.int64) for _ in range(3))
        for index, row in enumerate(rows):
            ids[index, : len(row.ids)] = row.ids
            types[index, : len(row.ids)] = row.type_ids
            mask[index, : len(row.ids)] = 1
        feed = {"input_ids": ids, "attention_mask": mask, "token_type_ids": types}
        output = self._session.run(None, {name: feed[name] for name in self.inputs})[0]
        return output, mask

    def answer(self, texts: Sequence[Text]) -> Floats:
        """Return vectors, float32 [texts, dimensions], or scores, float32 [texts, labels]; all texts in one batch."""
        output, mask = self.run([self.tokenize(text) for text in texts])
        embed, classify = self.manifest.embed, self.manifest.classify
        if embed:
            vectors = pool(output, mask, embed.pooling)
            return vectors / np.linalg.norm(vectors, axis=1, keepdims=True) if embed.normalize else vectors
        return score(output, classify.function_to_apply) if classify else output


def pool(vectors: Floats, mask: NDArray[np.int64], pooling: Pooling) -> Floats:
    """Turn token vectors [rows, tokens, dimensions], padded on the right, into one vector a row."""
    if pooling == "cls":
        return vectors[:, 0]
    if pooling == "last_token":
        return vectors[np.arange(len(vectors)), mask.sum(axis=1) - 1]
    weights = mask[:, :, None].astype(np.float32)
    return (vectors * weights).sum(axis=1) / weights.sum(axis=1)


def score(logits: Floats, function: str) -> Floats:
    """Turn logits [rows, labels] into scores by ``softmax``, ``sigmoid`` or ``none``."""
    if function == "none":
        return logits
    if function == "sigmoid":
        return (1 + np.tanh(logits / 2)) / 2  # the same curve, without overflow at the ends
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def cosines(left: Floats, right: Floats) -> Any:
    """Return the cosine of every vector of ``left`` with every one of ``right``: float32 [left, right]."""
    left = left / np.linalg.norm(left, axis=1, keepdims=True)
    return left @ (right / np.linalg.norm(right, axis=1, keepdims=True)).T
