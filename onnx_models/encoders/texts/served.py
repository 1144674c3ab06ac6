"""The serving side of a comparison: a package answers texts with ONNX Runtime, `tokenizers` and numpy alone.

Only what the package carries is used, so that what is compared is what workers serve. The steps are written out here
and not taken from the workers: a second, plain implementation is what makes a comparison worth something.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from contracts.model_package.package import ModelPackage
from contracts.model_package.tasks import ClassifyTask, EmbedTask, FillMaskTask, Pooling, TokenClassifyTask
from onnx_models.verification.session import open_session

Floats = NDArray[np.float32]
Outputs = dict[str, Floats]
"""What a graph answers to one row, by the name of the output."""
Text = str | tuple[str, str]
"""One text, or a pair that is read as one row."""


class Row(NamedTuple):
    """Token ids of one row, and for each whether it belongs to the first or to the second text of a pair."""

    ids: list[int]
    type_ids: list[int]


def open_tokenizer(package: ModelPackage) -> Tokenizer:
    """Return the package's tokenizer, which neither cuts nor pads."""
    tokenizer = Tokenizer.from_file(str(package.file("tokenizer.json")))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


def served_row(tokenizer: Tokenizer, text: Text) -> Row:
    """Return token ids, special tokens included, neither cut nor padded."""
    encoding = tokenizer.encode(*((text,) if isinstance(text, str) else text))
    return Row(list(encoding.ids), list(encoding.type_ids))


def padded(rows: Sequence[Row]) -> dict[str, NDArray[np.int64]]:
    """Return whatever a text encoder may take, int64 [rows, longest] each, by name; padding is id 0 on the right."""
    longest = max(len(row.ids) for row in rows)
    ids, mask, types = (np.zeros((len(rows), longest), dtype=np.int64) for _ in range(3))
    for index, row in enumerate(rows):
        ids[index, : len(row.ids)] = row.ids
        types[index, : len(row.ids)] = row.type_ids
        mask[index, : len(row.ids)] = 1
    return {"input_ids": ids, "attention_mask": mask, "token_type_ids": types}


class ServedModel:
    """A session and a tokenizer over one package; CPU only."""

    def __init__(self, package: ModelPackage) -> None:
        self.manifest = package.manifest
        self._session = open_session(package)
        self.inputs = [tensor.name for tensor in self._session.get_inputs()]
        self.outputs = [tensor.name for tensor in self._session.get_outputs()]
        by_token = ("last_hidden_state", "start_logits", "end_logits")
        has_token_logits = isinstance(self.manifest.task, TokenClassifyTask | FillMaskTask)
        self._by_token = {*by_token, "logits"} if has_token_logits else {*by_token}
        self.tokenizer = open_tokenizer(package)

    def tokenize(self, text: Text) -> Row:
        """Return token ids as ``served_row`` does."""
        return served_row(self.tokenizer, text)

    def run(self, rows: Sequence[Row]) -> list[Outputs]:
        """Run rows of token ids as one batch, padded on the right with id 0.

        Returns:
            For each row its outputs by name, without padding: float32 [tokens, size], [labels], [size] or, of
            question answering, [tokens].
        """
        feed = padded(rows)
        outputs = self._session.run(None, {name: feed[name] for name in self.inputs})
        return [
            {
                name: array[index, : len(row.ids)] if name in self._by_token else array[index]
                for name, array in zip(self.outputs, outputs, strict=True)
            }
            for index, row in enumerate(rows)
        ]

    def answer(self, texts: Sequence[Text]) -> Floats:
        """Return vectors, float32 [texts, dimensions], or scores, float32 [texts, labels]; all texts in one batch."""
        rows = self.run([self.tokenize(text) for text in texts])
        task = self.manifest.task
        if isinstance(task, EmbedTask):
            vectors = np.stack([pool(row[self.outputs[0]], task.embed.pooling) for row in rows])
            return vectors / np.linalg.norm(vectors, axis=1, keepdims=True) if task.embed.normalize else vectors
        logits = np.stack([row["logits"] for row in rows])
        return score(logits, task.classify.function_to_apply) if isinstance(task, ClassifyTask) else logits


def pool(vectors: Floats, pooling: Pooling) -> Floats:
    """Turn a row's token vectors [tokens, dimensions] into one; with ``none`` the graph has done so."""
    if pooling == "none":
        return vectors
    if pooling == "cls":
        return vectors[0]
    if pooling == "last_token":
        return vectors[-1]
    return vectors.mean(axis=0)


def score(logits: Floats, function: str) -> Floats:
    """Turn logits [rows, labels] into scores by ``softmax``, ``sigmoid`` or ``none``."""
    if function == "none":
        return logits
    if function == "sigmoid":
        return np.float32(0.5) * (1 + np.tanh(logits / 2))  # the same curve, without overflow at the ends
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def cosines(left: Floats, right: Floats) -> Any:
    """Return the cosine of every vector of ``left`` with every one of ``right``: float32 [left, right]."""
    left = left / np.linalg.norm(left, axis=1, keepdims=True)
    return left @ (right / np.linalg.norm(right, axis=1, keepdims=True)).T
