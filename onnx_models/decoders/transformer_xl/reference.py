"""The reference of Transformer-XL: transformers' copy of the original code, with one call in it put right."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.overrides import TorchFunctionMode

from onnx_models.errors import refusing
from onnx_models.exporting.optimum_exporter import LOCAL, quiet
from onnx_models.exporting.sources import Source


class ReferenceTransformerXL:
    """The torch model of one source, in float32 on CPU; one text at a time."""

    def __init__(self, source: Source) -> None:
        from transformers.models.deprecated.transfo_xl import TransfoXLLMHeadModel

        with refusing(f"{source.name}: transformers can't load it"), quiet():
            model: Any = TransfoXLLMHeadModel.from_pretrained(
                source.folder, use_safetensors=True, dtype=torch.float32, **LOCAL
            )
        self._model = model.eval()

    @torch.inference_mode()
    def write(self, prompt: list[int], num_tokens: int) -> tuple[list[int], NDArray[np.float32]]:
        """Read a prompt at once and write the likeliest tokens.

        Returns:
            The tokens, and for each the log-probabilities that it was taken from, float32 [tokens, vocabulary].
        """
        tokens: list[int] = []
        found = []
        ids, memories = prompt, None
        while len(tokens) < num_tokens:
            with _WholeNumbersToFloat():
                output = self._model(torch.tensor([ids]), mems=memories)
            found.append(output.prediction_scores[0, -1])
            tokens.append(int(found[-1].argmax()))
            ids, memories = tokens[-1:], output.mems
        return tokens, torch.stack(found).numpy()


class _Positions(torch.Tensor):
    """Whole numbers whose ``type_as`` takes a dtype, as the caller believes that every tensor's does."""

    def type_as(self, *, dtype: torch.dtype) -> torch.Tensor:
        return self.as_subclass(torch.Tensor).to(dtype)


class _WholeNumbersToFloat(TorchFunctionMode):
    """Let ``torch.arange(...).type_as(dtype=...)`` work.

    transformers from 4.39 to 4.57 calls it so in the forward pass of Transformer-XL and fails; torch wants a tensor
    there. Nothing else of the original code is touched.
    """

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        return result.as_subclass(_Positions) if func is torch.arange else result
