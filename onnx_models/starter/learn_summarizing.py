"""Train the starter summarizer: a BART of a million weights. Names and figures are copied piece by piece.

What follows what is soon learned if positions are sines and cosines at first (Vaswani et al. 2017): one step on is the
same turn everywhere. From small random ones, pieces and digits still changed places after 1800 steps.
"""

import random
from pathlib import Path

import torch
from tokenizers import Tokenizer, processors
from torch import nn
from transformers import BartConfig, BartForConditionalGeneration, GenerationConfig

from onnx_models.starter.bytepairs import make_tokenizer
from onnx_models.starter.learn import MAX_TOKENS
from onnx_models.starter.learn_pairs import END, PADDING, START, Pair, save_pairs_model, train_on_pairs
from onnx_models.starter.reporting.reports import training_pair

_MAX_ANSWER = 64
_ROWS = 32
_LEARNING_RATE = 4e-3
_INIT_STD = 0.05
_NUM_TOKENIZER_PAIRS = 10_000
_NUM_TOKENS = 1024
_WORDS = r" ?\p{L}+|\d| ?[^\s\p{L}\d]|\s"  # digits are read one by one


def train_summarizer(folder: Path, seed: int, num_steps: int) -> None:
    """Train, and write weights, configs and tokenizer into ``folder``."""
    rng = random.Random(seed)  # noqa: S311 - texts, not secrets
    tokenizer = _tokenizer(rng)
    start, end, padding = (tokenizer.token_to_id(token) for token in (START, END, PADDING))
    torch.manual_seed(seed)
    model = BartForConditionalGeneration(_config(tokenizer, start, end, padding))
    for part in (model.model.encoder, model.model.decoder):
        _start_with_waves(part.embed_positions)
    model.generation_config = GenerationConfig(
        bos_token_id=start,
        decoder_start_token_id=start,
        eos_token_id=end,
        pad_token_id=padding,
        max_length=_MAX_ANSWER,
    )

    def draw() -> Pair:
        while True:
            text, headline = training_pair(rng)
            read = tokenizer.encode(text).ids
            if len(read) <= MAX_TOKENS:
                return read, [*tokenizer.encode(headline, add_special_tokens=False).ids, end]

    train_on_pairs(
        model,
        draw,
        seed=seed,
        num_steps=num_steps,
        num_rows=_ROWS,
        learning_rate=_LEARNING_RATE,
        padding=padding,
    )
    save_pairs_model(model, tokenizer, folder, MAX_TOKENS)


@torch.no_grad()
def _start_with_waves(positions: nn.Embedding) -> None:
    """Set a table of positions to waves that are as strong as the random numbers in it are."""
    number, size = positions.weight.shape
    rates = 10_000.0 ** (-torch.arange(0, size, 2) / size)
    angles = torch.arange(number).unsqueeze(1) * rates
    positions.weight.copy_(torch.cat([angles.sin(), angles.cos()], dim=1) * _INIT_STD * 2**0.5)


def _tokenizer(rng: random.Random) -> Tokenizer:
    """Return a tokenizer that puts the start token before a text and the end token behind it."""
    tokenizer = make_tokenizer(
        (text for _ in range(_NUM_TOKENIZER_PAIRS) for text in training_pair(rng)),
        words=_WORDS,
        num_tokens=_NUM_TOKENS,
        special_tokens=[PADDING, START, END],
    )
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{START} $A {END}",
        pair=f"{START} $A {END} $B:1 {END}:1",
        special_tokens=[(token, tokenizer.token_to_id(token)) for token in (START, END)],
    )
    return tokenizer


def _config(tokenizer: Tokenizer, start: int, end: int, padding: int) -> BartConfig:
    return BartConfig(
        vocab_size=tokenizer.get_vocab_size(),
        d_model=128,
        encoder_layers=3,
        decoder_layers=3,
        encoder_attention_heads=4,
        decoder_attention_heads=4,
        encoder_ffn_dim=384,
        decoder_ffn_dim=384,
        max_position_embeddings=MAX_TOKENS,
        dropout=0.0,
        init_std=_INIT_STD,
        bos_token_id=start,
        eos_token_id=end,
        pad_token_id=padding,
        decoder_start_token_id=start,
        forced_eos_token_id=None,
    )
