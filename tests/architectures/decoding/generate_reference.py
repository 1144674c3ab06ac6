"""The outputs of transformers' ``generate`` for some sources, with any of its options."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import AutoModelForSeq2SeqLM, GenerationConfig, PreTrainedModel

NUM_TOKENS = 12
SOURCES = ([7, 30, 12, 55, 9, 41], [100, 20, 20, 63, 5, 88, 17, 140, 31])
Found = list[tuple[list[int], float]]


class Generate:
    """A tiny encoder-decoder in torch, whose end-of-sequence tokens are chosen so that texts end at many lengths."""

    def __init__(self, folder: Path) -> None:
        self.model: PreTrainedModel = AutoModelForSeq2SeqLM.from_pretrained(folder).eval()
        self.start: int = self.model.generation_config.decoder_start_token_id
        self.pad: int = self.model.generation_config.pad_token_id
        self.model.generation_config = GenerationConfig()
        written = [self.find(source, [self.start], [], num_beams=8, num_return_sequences=8) for source in SOURCES]
        counts = np.bincount([token for found in written for tokens, _ in found for token in tokens])
        self.frequent: list[int] = np.argsort(-counts, kind="stable")[:12].tolist()
        """Tokens in the beams, the most frequent first."""
        self.ends = self.frequent[2:5]

    @torch.inference_mode()
    def find(self, source: list[int], prefix: list[int], ends: list[int], **options: Any) -> Found:
        """Return the texts of ``generate`` up to their end-of-sequence token, with their scores.

        Without ``num_beams`` there is one, and its score is NaN.
        """
        config = GenerationConfig(
            decoder_start_token_id=self.start,
            pad_token_id=self.pad,
            eos_token_id=ends or None,
            max_new_tokens=NUM_TOKENS,
            do_sample=False,
            return_dict_in_generate=True,
            output_scores=True,
            **options,
        )
        ids = torch.tensor([source])
        output = self.model.generate(
            input_ids=ids,
            attention_mask=torch.ones_like(ids),
            generation_config=config,
            decoder_input_ids=torch.tensor([prefix]),
            use_cache=False,
        )
        rows = output.sequences[:, len(prefix) :].tolist()
        scores = output.sequences_scores.tolist() if options.get("num_beams", 1) > 1 else [math.nan]
        return [(_until_the_end(row, ends), score) for row, score in zip(rows, scores, strict=True)]


def _until_the_end(tokens: list[int], ends: list[int]) -> list[int]:
    last = next((place for place, token in enumerate(tokens) if token in ends), len(tokens) - 1)
    return tokens[: last + 1]
