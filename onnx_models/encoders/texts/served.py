"""The package's side of a comparison of text encoders: ONNX Runtime, `tokenizers` and numpy alone.

Only files of the package are used, so that what is compared is what workers serve. The steps are implemented here a
second time, independently of the workers: with their code, an error of theirs would be on both sides of a test.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from contracts.model_package.package import ModelPackage
from contracts.model_package.tasks import ClassifyTask, EmbedTask, FillMaskTask, Pooling, TokenClassifyTask
from onnx_models.verification.session import open_session, pad_right, run_graph

Floats = NDArray[np.float32]
Outputs = dict[str, Floats]
"""A graph's outputs for one row, by name."""
Text = str | tuple[str, str]
"""One text, or a pair that becomes one row."""


class Row(NamedTuple):
    """Token ids of one row, and for each whether it belongs to the first or to the second text of a pair."""

    ids: list[int]
    type_ids: list[int]


def open_tokenizer(package: ModelPackage) -> Tokenizer:
    """Return the package's tokenizer, without truncation and padding."""
    tokenizer = Tokenizer.from_file(str(package.file("tokenizer.json")))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


def served_row(tokenizer: Tokenizer, text: Text) -> Row:
    """Return token ids, special tokens included."""
    encoding = tokenizer.encode(*((text,) if isinstance(text, str) else text))
    return Row(list(encoding.ids), list(encoding.type_ids))


def padded(rows: Sequence[Row]) -> dict[str, NDArray[np.int64]]:
    """Return all possible inputs of a text encoder by name, int64 [rows, longest] each, padded on the right with 0."""
    ids, mask = pad_right([row.ids for row in rows])
    types, _ = pad_right([row.type_ids for row in rows])
    return {"input_ids": ids, "attention_mask": mask, "token_type_ids": types}


class ServedModel:
    """A session and a tokenizer over one package, on CPU."""

    def __init__(self, package: ModelPackage) -> None:
        self.manifest = package.manifest
        self._session = open_session(package)
        self.inputs = [tensor.name for tensor in self._session.get_inputs()]
        self.outputs = [tensor.name for tensor in self._session.get_outputs()]
        # The other outputs, logits of texts and embeddings, have no axis of tokens to cut the padding from.
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
        outputs = run_graph(self._session, padded(rows))
        return [
            {
                name: array[index, : len(row.ids)] if name in self._by_token else array[index]
                for name, array in outputs.items()
            }
            for index, row in enumerate(rows)
        ]

    def predict(self, texts: Sequence[Text]) -> Floats:
        """Return embeddings, float32 [texts, dimensions], or scores, float32 [texts, labels], of one batch of texts."""
        rows = self.run([self.tokenize(text) for text in texts])
        task = self.manifest.task
        if isinstance(task, EmbedTask):
            vectors = np.stack([pool(row[self.outputs[0]], task.embed.pooling) for row in rows])
            return vectors / np.linalg.norm(vectors, axis=1, keepdims=True) if task.embed.normalize else vectors
        logits = np.stack([row["logits"] for row in rows])
        return score(logits, task.classify.function_to_apply) if isinstance(task, ClassifyTask) else logits


def pool(vectors: Floats, pooling: Pooling) -> Floats:
    """Pool a row's token vectors [tokens, dimensions]; with ``none`` the graph has pooled them already."""
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
        return np.float32(0.5) * (1 + np.tanh(logits / 2))  # equal to 1 / (1 + exp(-x)), without its overflow
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def cosines(left: Floats, right: Floats) -> Any:
    """Return the cosine of every vector of ``left`` with every one of ``right``: float32 [left, right]."""
    left = left / np.linalg.norm(left, axis=1, keepdims=True)
    return left @ (right / np.linalg.norm(right, axis=1, keepdims=True)).T
