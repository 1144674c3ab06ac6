"""The reference side of a comparison of encoder-decoders: torch, and transformers' own ``generate``.

Nothing of the package goes in here but the tokens that every answer starts with. Needs the export environment.
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
from onnx_models.encoders.loading import load_model
from onnx_models.exporting.sources import Source
from onnx_models.seq2seq.served import Floats, Input
from onnx_models.tokenizers.write import load_tokenizer

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
        """Run the encoder on one batch, as ``encode`` does, and what all layers of the decoder make of its output.

        Returns:
            For each input the keys and values that attention to the source reads, side by side: of one layer after the
            other all heads of its keys, then those of its values; float32 [positions, width], without padding.
        """
        # Not the cache that transformers would make by itself: it has as many layers as the encoder has.
        cache = EncoderDecoderCache(DynamicCache(), DynamicCache())
        start = torch.zeros(len(inputs), 1, dtype=torch.long)
        self._model(**self._batch(inputs), decoder_input_ids=start, past_key_values=cache, use_cache=True)
        tensors = [tensor for layer in cache.cross_attention_cache.layers for tensor in (layer.keys, layer.values)]
        rows = torch.cat(tensors, dim=1).transpose(1, 2).flatten(2)
        return [row[: len(each)].numpy() for row, each in zip(rows, inputs, strict=True)]

    @torch.inference_mode()
    def logits(self, source: Input, tokens: Sequence[int]) -> Floats:
        """Return the decoder's logits after each of the tokens, float32 [tokens, vocabulary], all read at once."""
        output = self._model(**self._batch([source]), decoder_input_ids=torch.tensor([list(tokens)]), use_cache=False)
        return output.logits[0].numpy()

    @torch.inference_mode()
    def greedy(self, source: Input, prefix: Sequence[int], num_tokens: int, padding: int | None) -> list[int]:
        """Return what ``generate`` writes behind the prefix: always the best token but padding, past any end of text.

        None of the source's own settings applies: no other token is forced, suppressed or punished.
        """
        self._model.generation_config = GenerationConfig(
            decoder_start_token_id=prefix[0],
            eos_token_id=None,
            pad_token_id=padding or 0,  # generate wants to know one
            suppress_tokens=None if padding is None else [padding],
            num_beams=1,
            do_sample=False,
        )
        # Whisper's own generate cuts recordings into pieces and puts the pieces together, around this one.
        answer = GenerationMixin.generate(
            self._model,
            **self._batch([source]),
            decoder_input_ids=torch.tensor([list(prefix)]),
            max_new_tokens=num_tokens,
            use_cache=False,  # transformers' own cache fails for a T5 whose decoder is deeper than its encoder
        )
        return [int(token) for token in answer[0, len(prefix) :]]

    def _batch(self, inputs: Sequence[Input]) -> dict[str, Any]:
        if not isinstance(inputs[0], list):
            return {self._model.main_input_name: torch.from_numpy(np.stack(inputs))}
        longest = max(map(len, inputs))
        padding = self.tokenizer.pad_token_id or 0
        ids = [[*ids, *[padding] * (longest - len(ids))] for ids in inputs]
        mask = [[1] * len(ids) + [0] * (longest - len(ids)) for ids in inputs]
        return {"input_ids": torch.tensor(ids), "attention_mask": torch.tensor(mask)}
