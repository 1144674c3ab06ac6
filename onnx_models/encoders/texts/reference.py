"""The reference of text encoders: transformers' tokenizer and torch, with the source's own weights.

It uses nothing of the package except for the pooling and the score function that the manifest states. Needs the export
environment.
"""

import inspect
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import (
    AutoModel,
    AutoModelForMaskedLM,
    AutoModelForQuestionAnswering,
    AutoModelForSequenceClassification,
    AutoModelForTokenClassification,
)

from contracts.model_package.manifest import Manifest
from contracts.model_package.signatures import encoder_outputs
from contracts.model_package.tasks import ClassifyTask, EmbedTask
from contracts.task_names import TaskName
from onnx_models.encoders.images.clip import is_tower, load_tower, vectors_of
from onnx_models.encoders.texts.served import Outputs, Row, Text
from onnx_models.exporting.loading import load_model
from onnx_models.exporting.sources import Source
from onnx_models.tokenizers.write import load_tokenizer

_CLASSES: dict[TaskName, Any] = {
    "embed": AutoModel,
    "classify": AutoModelForSequenceClassification,
    "token-classify": AutoModelForTokenClassification,
    "question-answer": AutoModelForQuestionAnswering,
    "fill-mask": AutoModelForMaskedLM,
}
_POOL = {
    "mean": lambda vectors: vectors.mean(dim=0),
    "cls": lambda vectors: vectors[0],
    "last_token": lambda vectors: vectors[-1],
}


def _load(source: Source, manifest: Manifest) -> Any:
    if is_tower(manifest.architecture, manifest.task.name):
        return load_tower(source, manifest.task.name)
    # Embeddings do not use the pooler (a layer for classifiers), and most published weights lack it.
    return load_model(
        _CLASSES[manifest.task.name], source, spare="pooler" if isinstance(manifest.task, EmbedTask) else None
    )


def reference_row(tokenizer: Any, text: Text) -> Row:
    """Return the token ids of transformers' tokenizer, special tokens included."""
    encoding = tokenizer(*((text,) if isinstance(text, str) else text), truncation=False, verbose=False)
    ids = list(encoding["input_ids"])
    return Row(ids, list(encoding.get("token_type_ids", [0] * len(ids))))


class ReferenceModel:
    """The torch model of one source, in float32 on CPU."""

    def __init__(self, source: Source, manifest: Manifest) -> None:
        self._manifest = manifest
        self.tokenizer = load_tokenizer(source)
        self._model = _load(source, manifest)
        self._outputs = encoder_outputs(manifest)
        self._pooled = is_tower(manifest.architecture, manifest.task.name)
        self._has_types = "token_type_ids" in inspect.signature(self._model.forward).parameters

    @torch.inference_mode()
    def run(self, rows: Sequence[Row]) -> list[Outputs]:
        """Run rows of token ids as one batch, padded on the right with the tokenizer's padding token.

        Returns:
            For each row its outputs by name, without padding, as in `ServedModel.run`.
        """
        longest = max(len(row.ids) for row in rows)
        padding = self.tokenizer.pad_token_id or 0

        def padded(lists: list[list[int]], value: int) -> torch.Tensor:
            return torch.tensor([[*numbers, *[value] * (longest - len(numbers))] for numbers in lists])

        inputs = {
            "input_ids": padded([row.ids for row in rows], padding),
            "attention_mask": padded([[1] * len(row.ids) for row in rows], 0),
        }
        if self._has_types:
            inputs["token_type_ids"] = padded([row.type_ids for row in rows], 0)
        output = self._model(**inputs)
        if self._pooled:
            return [{self._outputs[0]: vector.numpy()} for vector in vectors_of(output)]
        ends = [None if isinstance(self._manifest.task, ClassifyTask) else len(row.ids) for row in rows]
        return [{name: output[name][index, :end].numpy() for name in self._outputs} for index, end in enumerate(ends)]

    def predict(self, text: Text) -> NDArray[np.float32]:
        """Return the vector [dimensions] or the scores [labels] of one text or pair, run alone without padding."""
        output = torch.from_numpy(self.run([reference_row(self.tokenizer, text)])[0][self._outputs[0]])
        match self._manifest.task:
            case EmbedTask(embed=embed):
                vector = output if self._pooled else _POOL[embed.pooling](output)
                output = torch.nn.functional.normalize(vector, dim=0) if embed.normalize else vector
            case ClassifyTask(classify=classify) if classify.function_to_apply != "none":
                output = output.softmax(dim=0) if classify.function_to_apply == "softmax" else output.sigmoid()
        return output.numpy()
