"""The reference side of a comparison: transformers' tokenizer and torch, with the source's own weights, in float32.

Needs the export environment. Nothing of the package goes in here.
"""

import io
from collections.abc import Sequence
from contextlib import redirect_stdout
from typing import Any

import torch
from transformers import AutoModelForCausalLM, GenerationConfig

from onnx_models.decoders.runner import Floats
from onnx_models.errors import refusing
from onnx_models.exporting.optimum_exporter import LOCAL
from onnx_models.exporting.sources import Source
from onnx_models.tokenizers.write import load_tokenizer


class ReferenceDecoder:
    """The torch model of one source, on CPU."""

    def __init__(self, source: Source) -> None:
        self.tokenizer = load_tokenizer(source)
        with refusing(f"{source.name}: transformers can't load it"):
            self._model: Any = AutoModelForCausalLM.from_pretrained(
                # torch's own attention knows no soft caps (Gemma 2) and leaves them out without a word.
                source.folder,
                use_safetensors=True,
                dtype=torch.float32,
                attn_implementation="eager",
                **LOCAL,
            )
        self._model.eval()
        self._model.generation_config = GenerationConfig(do_sample=False)  # the source's may sample, and end texts

    def tokenize(self, text: str) -> list[int]:
        """Return token ids, special tokens included."""
        return list(self.tokenizer(text, truncation=False, verbose=False)["input_ids"])

    @torch.inference_mode()
    def logits(self, ids: Sequence[int]) -> Floats:
        """Read a whole text at once, without a cache; return float32 [tokens, vocabulary]."""
        logits: Floats = self._model(input_ids=torch.tensor([ids]), use_cache=False).logits[0].numpy()
        return logits

    @torch.inference_mode()
    def write(self, ids: Sequence[int], num_tokens: int, repetition_penalty: float = 1.0) -> list[int]:
        """Return the likeliest ``num_tokens`` after a prompt; ends of text are written through."""
        prompt = torch.tensor([ids])
        options = {"max_new_tokens": num_tokens, "repetition_penalty": repetition_penalty}
        with redirect_stdout(io.StringIO()):  # CTRL prints which inputs it does not know
            text = self._model.generate(prompt, attention_mask=torch.ones_like(prompt), **options)
        return [int(token) for token in text[0, len(ids) :]]
