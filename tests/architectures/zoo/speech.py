"""Speech: a Whisper that hears one second."""

from pathlib import Path

import torch
from transformers import (
    GenerationConfig,
    WhisperConfig,
    WhisperFeatureExtractor,
    WhisperForConditionalGeneration,
    WhisperTokenizerFast,
)

from tests.architectures.zoo.common import WIDE, byte_pairs, save
from tests.architectures.zoo.seq2seq import stir

_END = "<|endoftext|>"
_SPECIAL = [_END, "<|startoftranscript|>", "<|en|>", "<|fr|>", "<|translate|>", "<|transcribe|>", "<|notimestamps|>"]


def whisper(folder: Path) -> None:
    """Two languages; 100 frames a second and 50 positions, where the real ones have 3000 and 1500."""
    torch.manual_seed(5)
    extractor = WhisperFeatureExtractor(feature_size=16, chunk_length=1)
    tokenizer = _tokenizer()
    config = WhisperConfig(
        vocab_size=len(tokenizer), num_mel_bins=16, d_model=32, encoder_layers=2, decoder_layers=2,
        encoder_attention_heads=4, decoder_attention_heads=4, encoder_ffn_dim=64, decoder_ffn_dim=64,
        max_source_positions=extractor.nb_max_frames // 2, max_target_positions=40, init_std=WIDE,
        bos_token_id=0, eos_token_id=0, pad_token_id=0, decoder_start_token_id=1, begin_suppress_tokens=None,
    )  # fmt: skip
    model = WhisperForConditionalGeneration(config)
    model.generation_config = GenerationConfig(
        bos_token_id=0, eos_token_id=0, pad_token_id=0, decoder_start_token_id=1, suppress_tokens=[1, 2, 3, 4, 5],
        begin_suppress_tokens=[0, 9], max_length=40, is_multilingual=True, no_timestamps_token_id=6,
        lang_to_id={"<|en|>": 2, "<|fr|>": 3}, task_to_id={"translate": 4, "transcribe": 5},
    )  # fmt: skip
    model.generation_config._from_model_config = False  # else transformers takes it for one that lacks the languages
    stir(model)
    save(folder, model, tokenizer)
    extractor.save_pretrained(folder)


def _tokenizer() -> WhisperTokenizerFast:
    backend = byte_pairs(start=_SPECIAL[1], end=_END, special=_SPECIAL, pad=_END).backend_tokenizer
    return WhisperTokenizerFast(tokenizer_object=backend, pad_token=_END, additional_special_tokens=_SPECIAL[1:])
