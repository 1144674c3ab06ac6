"""The reference side of a comparison: transformers' tokenizer and torch, with the source's own weights.

Needs the export environment. Nothing of the package goes in here except which pooling and which scores are claimed.
"""

import inspect
from collections.abc import Sequence

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

from onnx_models.encoders.served import Outputs, Row, Text
from onnx_models.errors import refusing
from onnx_models.exporter import LOCAL
from onnx_models.source import Source
from onnx_models.tokenizers.write import load_tokenizer
from workers.runtime.manifest import Manifest

_CLASSES = {
    "embed": AutoModel,
    "classify": AutoModelForSequenceClassification,
    "entities": AutoModelForTokenClassification,
    "answer": AutoModelForQuestionAnswering,
    "fill_mask": AutoModelForMaskedLM,
}
_OUTPUTS = {
    "embed": ("last_hidden_state",),
    "classify": ("logits",),
    "entities": ("logits",),
    "answer": ("start_logits", "end_logits"),
    "fill_mask": ("logits",),
}


class ReferenceModel:
    """The torch model of one source, in float32 on CPU."""

    def __init__(self, source: Source, manifest: Manifest) -> None:
        self._manifest = manifest
        self.tokenizer = load_tokenizer(source)
        with refusing(f"{source.name}: transformers can't load it"):
            self._model = _CLASSES[manifest.task].from_pretrained(
                source.folder, use_safetensors=True, dtype=torch.float32, **LOCAL
            )
        self._model.eval()
        self._takes_types = "token_type_ids" in inspect.signature(self._model.forward).parameters

    def tokenize(self, text: Text) -> Row:
        """Return token ids, special tokens included."""
        texts = (text,) if isinstance(text, str) else text
        encoding = self.tokenizer(*texts, truncation=False, verbose=False)
        ids = list(encoding["input_ids"])
        return Row(ids, list(encoding.get("token_type_ids", [0] * len(ids))))

    @torch.inference_mode()
    def run(self, rows: Sequence[Row]) -> list[Outputs]:
        """Run rows of token ids as one batch, padded as the tokenizer says but always on the right.

        Returns:
            For each row its outputs by name, without padding, as `ServedModel.run` has them.
        """
        longest = max(len(row.ids) for row in rows)
        padding = self.tokenizer.pad_token_id or 0

        def padded(lists: list[list[int]], value: int) -> torch.Tensor:
            return torch.tensor([[*numbers, *[value] * (longest - len(numbers))] for numbers in lists])

        inputs = {
            "input_ids": padded([row.ids for row in rows], padding),
            "attention_mask": padded([[1] * len(row.ids) for row in rows], 0),
        }
        if self._takes_types:
            inputs["token_type_ids"] = padded([row.type_ids for row in rows], 0)
        output = self._model(**inputs)
        task = self._manifest.task
        return [
            {
                name: output[name][index, : None if task == "classify" else len(row.ids)].numpy()
                for name in _OUTPUTS[task]
            }
            for index, row in enumerate(rows)
        ]

    def answer(self, text: Text) -> NDArray[np.float32]:
        """Return the vector [dimensions] or the scores [labels] of one text or pair, run alone without padding."""
        outputs = self.run([self.tokenize(text)])[0]
        output = torch.from_numpy(outputs["last_hidden_state" if self._manifest.embed else "logits"])
        embed, classify = self._manifest.embed, self._manifest.classify
        if embed:
            vector = {"mean": output.mean(dim=0), "cls": output[0], "last_token": output[-1]}[embed.pooling]
            output = torch.nn.functional.normalize(vector, dim=0) if embed.normalize else vector
        elif classify and classify.function_to_apply != "none":
            output = output.softmax(dim=0) if classify.function_to_apply == "softmax" else output.sigmoid()
        return output.numpy()
