"""The reference of Transformer-XL: transformers' copy of the original code, with one call in it repaired."""

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
    def generate(self, prompt: list[int], num_tokens: int) -> tuple[list[int], NDArray[np.float32]]:
        """Run a prompt at once and decode greedily.

        Returns:
            The tokens, and the log-probabilities that each was chosen from, float32 [tokens, vocabulary].
        """
        tokens: list[int] = []
        found = []
        ids, memories = prompt, None
        while len(tokens) < num_tokens:
            with _RepairedTypeAs():
                output = self._model(torch.tensor([ids]), mems=memories)
            found.append(output.prediction_scores[0, -1])
            tokens.append(int(found[-1].argmax()))
            ids, memories = tokens[-1:], output.mems
        return tokens, torch.stack(found).numpy()


class _Positions(torch.Tensor):
    """A tensor whose ``type_as`` takes a dtype, as transformers' code calls it."""

    def type_as(self, *, dtype: torch.dtype) -> torch.Tensor:
        return self.as_subclass(torch.Tensor).to(dtype)


class _RepairedTypeAs(TorchFunctionMode):
    """Let ``torch.arange(...).type_as(dtype=...)`` work.

    transformers from 4.39 to 4.57 calls it like this in the forward pass of Transformer-XL and fails, since torch
    expects a tensor there. The rest of the original code runs unchanged.
    """

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        return result.as_subclass(_Positions) if func is torch.arange else result
