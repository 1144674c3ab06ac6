"""The reference side of a comparison: transformers' tokenizer and torch, with the source's own weights.

Needs the export environment. Nothing of the package goes in here except which pooling and which scores are claimed.
"""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import AutoModel, AutoModelForSequenceClassification, AutoTokenizer

from onnx_models.errors import refusing
from onnx_models.source import Source
from workers.runtime.model_package import Manifest

_CLASSES = {"embed": AutoModel, "classify": AutoModelForSequenceClassification}


class ReferenceModel:
    """The torch model of one source, in float32 on CPU."""

    def __init__(self, source: Source, manifest: Manifest) -> None:
        self._manifest = manifest
        options = {"trust_remote_code": False, "local_files_only": True}
        with refusing(f"{source.name}: transformers can't load it"):
            self.tokenizer = AutoTokenizer.from_pretrained(source.folder, **options)
            self._model = _CLASSES[manifest.task].from_pretrained(
                source.folder, use_safetensors=True, dtype=torch.float32, **options
            )
        self._model.eval()

    def tokenize(self, text: str) -> list[int]:
        """Return token ids, special tokens included."""
        return list(self.tokenizer(text, truncation=False, verbose=False)["input_ids"])

    @torch.inference_mode()
    def run(self, rows: Sequence[Sequence[int]]) -> NDArray[np.float32]:
        """Run rows of token ids as one batch, padded as the tokenizer says but always on the right.

        Returns:
            float32 [rows, tokens, dimensions] (embed) or [rows, labels] (classify).
        """
        longest = max(len(row) for row in rows)
        padding = self.tokenizer.pad_token_id or 0
        ids = torch.tensor([[*row, *[padding] * (longest - len(row))] for row in rows])
        mask = torch.tensor([[1] * len(row) + [0] * (longest - len(row)) for row in rows])
        output = self._model(input_ids=ids, attention_mask=mask)
        return (output.logits if self._manifest.task == "classify" else output.last_hidden_state).numpy()

    def answer(self, text: str) -> NDArray[np.float32]:
        """Return the vector [dimensions] or the scores [labels] of one text, run alone and so without padding."""
        output = torch.from_numpy(self.run([self.tokenize(text)])[0])
        embed, classify = self._manifest.embed, self._manifest.classify
        if embed:
            vector = {"mean": output.mean(dim=0), "cls": output[0], "last_token": output[-1]}[embed.pooling]
            output = torch.nn.functional.normalize(vector, dim=0) if embed.normalize else vector
        elif classify and classify.function_to_apply != "none":
            output = output.softmax(dim=0) if classify.function_to_apply == "softmax" else output.sigmoid()
        return output.numpy()
