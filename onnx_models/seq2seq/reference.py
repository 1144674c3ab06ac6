"""The reference of encoder-decoders: torch, and transformers' own ``generate``.

It uses nothing of the package except for the first tokens of every output. Needs the export environment.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from transformers import (
    AutoModelForSeq2SeqLM,
    AutoModelForSpeechSeq2Seq,
    DynamicCache,
    EncoderDecoderCache,
    GenerationConfig,
    GenerationMixin,
    VisionEncoderDecoderModel,
)

from contracts.task_names import TaskName
from onnx_models.exporting.loading import load_model
from onnx_models.exporting.sources import Source
from onnx_models.seq2seq.served import Floats, Input
from onnx_models.tokenizers.write import load_tokenizer

# AutoModelForSeq2SeqLM does not cover models of audio and images.
_CLASSES = {"transcribe": AutoModelForSpeechSeq2Seq, "caption": VisionEncoderDecoderModel}


class ReferenceEncoderDecoder:
    """The torch model of one source, in float32 on CPU."""

    def __init__(self, source: Source, task: TaskName) -> None:
        self.tokenizer = load_tokenizer(source)
        self._model = load_model(_CLASSES.get(task, AutoModelForSeq2SeqLM), source)

    @torch.inference_mode()
    def encode(self, inputs: Sequence[Input]) -> list[Floats]:
        """Run the encoder on one batch, token ids padded on the right.

        Returns:
            For each input its hidden states, float32 [positions, width], without padding.
        """
        hidden = self._model.get_encoder()(**self._batch(inputs)).last_hidden_state
        lengths = [len(each) if isinstance(each, list) else None for each in inputs]
        return [row[:length].numpy() for row, length in zip(hidden, lengths, strict=True)]

    @torch.inference_mode()
    def source_cache(self, inputs: Sequence[Input]) -> list[Floats]:
        """Run the encoder on one batch, and the projections to keys and values of all layers of the decoder.

        Returns:
            For each input the keys and values of cross-attention side by side: layer by layer all heads of the keys,
            then those of the values; float32 [positions, width], without padding.
        """
        # The cache that transformers would create has as many layers as the encoder, which a decoder need not have.
        cache = EncoderDecoderCache(DynamicCache(), DynamicCache())
        start = torch.zeros(len(inputs), 1, dtype=torch.long)
        self._model(**self._batch(inputs), decoder_input_ids=start, past_key_values=cache, use_cache=True)
        tensors = [tensor for layer in cache.cross_attention_cache.layers for tensor in (layer.keys, layer.values)]
        rows = torch.cat(tensors, dim=1).transpose(1, 2).flatten(2)
        return [row[: len(each)].numpy() for row, each in zip(rows, inputs, strict=True)]

    @torch.inference_mode()
    def logits(self, source: Input, tokens: Sequence[int]) -> Floats:
        """Return the decoder's logits after each of the tokens, float32 [tokens, vocabulary], from one call."""
        output = self._model(**self._batch([source]), decoder_input_ids=torch.tensor([list(tokens)]), use_cache=False)
        return output.logits[0].numpy()

    @torch.inference_mode()
    def greedy(self, source: Input, prefix: Sequence[int], num_tokens: int, padding: int | None) -> list[int]:
        """Return the greedily decoded tokens of ``generate`` after the prefix; end tokens do not stop it.

        Padding is suppressed. Nothing else of the source's own generation config applies.
        """
        self._model.generation_config = GenerationConfig(
            decoder_start_token_id=prefix[0],
            eos_token_id=None,
            pad_token_id=padding or 0,  # generate requires one
            suppress_tokens=None if padding is None else [padding],
            num_beams=1,
            do_sample=False,
        )
        # Whisper overrides generate with one that splits long recordings; only its inner loop is wanted here.
        output = GenerationMixin.generate(
            self._model,
            **self._batch([source]),
            decoder_input_ids=torch.tensor([list(prefix)]),
            max_new_tokens=num_tokens,
            use_cache=False,  # transformers' own cache fails for a T5 whose decoder is deeper than its encoder
        )
        return [int(token) for token in output[0, len(prefix) :]]

    def _batch(self, inputs: Sequence[Input]) -> dict[str, Any]:
        if not isinstance(inputs[0], list):
            return {self._model.main_input_name: torch.from_numpy(np.stack(inputs))}
        longest = max(map(len, inputs))
        padding = self.tokenizer.pad_token_id or 0
        ids = [[*ids, *[padding] * (longest - len(ids))] for ids in inputs]
        mask = [[1] * len(ids) + [0] * (longest - len(ids)) for ids in inputs]
        return {"input_ids": torch.tensor(ids), "attention_mask": torch.tensor(mask)}
