"""The vocabulary of a model with random weights, which has the size of a real one.

Every token's logits are computed and chosen from, so the size matters: the tokenizer learns its pairs from texts that
lie here, and made-up words fill the rest.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from pydoc_data.topics import topics

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

SEED = 20260101
"""Of all that is drawn for the packages of benchmarks."""
_ROOT = Path(__file__).resolve().parents[2]


def byte_pairs(num_tokens: int, special: Sequence[str] = ()) -> Tokenizer:
    """Return a byte-level BPE tokenizer with as many tokens as the model has; the special ones have the first ids."""
    tokenizer = _bytes(Tokenizer(models.BPE()))
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=num_tokens, initial_alphabet=alphabet, special_tokens=list(special), show_progress=False
    )
    tokenizer.train_from_iterator(_texts(), trainer)
    learned = json.loads(tokenizer.to_str())["model"]
    vocabulary: dict[str, int] = learned["vocab"]
    for number in range(len(vocabulary), num_tokens):
        vocabulary[f"Ġw{number}"] = number  # Ġ is a space; no pair leads here, so no prompt has such a token
    whole = _bytes(Tokenizer(models.BPE(vocabulary, [tuple(pair) for pair in learned["merges"]])))
    whole.add_special_tokens(list(special))
    return whole


def _bytes(tokenizer: Tokenizer) -> Tokenizer:
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


def _texts() -> list[str]:
    """Return what the pairs are learned from: the pages of this repository, and Python's language reference."""
    pages = [_ROOT / "README.md", *sorted((_ROOT / "docs").rglob("*.md"))]
    return [page.read_text(encoding="utf-8") for page in pages] + [topics[name] for name in sorted(topics)]
