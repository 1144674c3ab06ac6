"""The reference of decoders: transformers' tokenizer and torch, with the source's own weights, in float32.

It uses nothing of the package. Needs the export environment.
"""

import io
from collections.abc import Sequence
from contextlib import redirect_stdout

import torch
from transformers import AutoModelForCausalLM, GenerationConfig

from onnx_models.decoders.runner import Floats
from onnx_models.exporting.loading import load_model
from onnx_models.exporting.sources import Source
from onnx_models.tokenizers.write import load_tokenizer


class ReferenceDecoder:
    """The torch model of one source, on CPU."""

    def __init__(self, source: Source) -> None:
        self.tokenizer = load_tokenizer(source)
        # torch's own attention (sdpa) has no soft caps: with it, Gemma 2 would silently be another model.
        self._model = load_model(AutoModelForCausalLM, source, attention="eager")
        # The source's own settings may sample, or stop at an end token; a comparison needs a fixed number of tokens.
        self._model.generation_config = GenerationConfig(do_sample=False)

    def tokenize(self, text: str) -> list[int]:
        """Return token ids, special tokens included."""
        return list(self.tokenizer(text, truncation=False, verbose=False)["input_ids"])

    @torch.inference_mode()
    def logits(self, ids: Sequence[int]) -> Floats:
        """Run a whole sequence at once, without a cache; return float32 [tokens, vocabulary]."""
        logits: Floats = self._model(input_ids=torch.tensor([ids]), use_cache=False).logits[0].numpy()
        return logits

    @torch.inference_mode()
    def generate(self, ids: Sequence[int], num_tokens: int, repetition_penalty: float = 1.0) -> list[int]:
        """Return the ``num_tokens`` greedily decoded tokens after a prompt; end tokens do not stop it."""
        prompt = torch.tensor([ids])
        options = {"max_new_tokens": num_tokens, "repetition_penalty": repetition_penalty}
        with redirect_stdout(io.StringIO()):  # CTRL prints the names of inputs that it ignores
            text = self._model.generate(prompt, attention_mask=torch.ones_like(prompt), **options)
        return [int(token) for token in text[0, len(ids) :]]
