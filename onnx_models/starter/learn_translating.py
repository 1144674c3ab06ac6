"""Train the starter translator: a T5 of a million weights that is told the target language by a token of its own.

The token stands before the text, ``>>fr<<`` for example, as Marian models have it.
"""

import random
from pathlib import Path

import torch
from tokenizers import Tokenizer, processors
from transformers import GenerationConfig, T5Config, T5ForConditionalGeneration

from onnx_models.starter.bytepairs import make_tokenizer
from onnx_models.starter.learn import MAX_TOKENS
from onnx_models.starter.learn_pairs import END, PADDING, START, Pair, save_pairs_model, train_on_pairs
from onnx_models.starter.translating import LANGUAGES, TARGETS
from onnx_models.starter.translating.phrases import training_phrase

_ROWS = 64
_LEARNING_RATE = 4e-3
_NUM_TOKENIZER_PHRASES = 20_000
_NUM_TOKENS = 2048
_WORDS = (  # German numbers are cut where their parts meet, and digits are read one by one
    r" ?\p{L}*?(?:(?:tausend|hundert)(?=\p{L})|und(?=zwanz|drei|vier|fünf|sech|sieb|acht|neun))"
    r"|[ -]?\p{L}+|\d| ?[^\s\p{L}\d]|\s"
)


def train_translator(folder: Path, seed: int, num_steps: int) -> None:
    """Train, and write weights, configs and tokenizer into ``folder``."""
    rng = random.Random(seed)  # noqa: S311 - texts, not secrets
    tokenizer = _tokenizer(rng)
    start, end, padding = (tokenizer.token_to_id(token) for token in (PADDING, END, PADDING))
    targets = {code: tokenizer.token_to_id(target_token(code)) for code in TARGETS}
    torch.manual_seed(seed)
    model = T5ForConditionalGeneration(_config(tokenizer, start, end, padding))
    model.generation_config = GenerationConfig(
        decoder_start_token_id=start, eos_token_id=end, pad_token_id=padding, max_length=MAX_TOKENS
    )

    def draw() -> Pair:
        said, target = training_phrase(rng).said, rng.choice(TARGETS)
        written = tokenizer.encode(said[target], add_special_tokens=False).ids
        return [targets[target], *tokenizer.encode(said["en"]).ids], [*written, end]

    train_on_pairs(
        model,
        draw,
        seed=seed,
        num_steps=num_steps,
        num_rows=_ROWS,
        learning_rate=_LEARNING_RATE,
        padding=padding,
    )
    save_pairs_model(model, tokenizer, folder, MAX_TOKENS, source_lang="en")


def target_token(code: str) -> str:
    """Return the token that asks for a language."""
    return f">>{code}<<"


def _tokenizer(rng: random.Random) -> Tokenizer:
    """Return a tokenizer that puts the end token behind a text."""
    phrases = (training_phrase(rng).said for _ in range(_NUM_TOKENIZER_PHRASES))
    tokenizer = make_tokenizer(
        (said[code] for said in phrases for code in LANGUAGES),
        words=_WORDS,
        num_tokens=_NUM_TOKENS,
        special_tokens=[PADDING, START, END, *map(target_token, TARGETS)],
    )
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"$A {END}", pair=f"$A $B:1 {END}:1", special_tokens=[(END, tokenizer.token_to_id(END))]
    )
    return tokenizer


def _config(tokenizer: Tokenizer, start: int, end: int, padding: int) -> T5Config:
    return T5Config(
        vocab_size=tokenizer.get_vocab_size(),
        d_model=128,
        d_kv=32,
        d_ff=384,
        num_layers=3,
        num_decoder_layers=3,
        num_heads=4,
        dropout_rate=0.0,
        decoder_start_token_id=start,
        eos_token_id=end,
        pad_token_id=padding,
    )
