"""The vocabulary of a model with random weights, as large as that of a real model.

The size matters, because the logits of every token are computed and sampled from. The tokenizer learns its merges from
texts in this repository, and made-up words fill the rest.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from pydoc_data.topics import topics

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

SEED = 20260101
"""The seed of all random weights of the benchmarks."""
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
        vocabulary[f"Ġw{number}"] = number  # Ġ is a space; no merge makes this token, so no prompt contains it
    whole = _bytes(Tokenizer(models.BPE(vocabulary, [tuple(pair) for pair in learned["merges"]])))
    whole.add_special_tokens(list(special))
    return whole


def _bytes(tokenizer: Tokenizer) -> Tokenizer:
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


def _texts() -> list[str]:
    """Return the texts that merges are learned from: the pages of this repository, and Python's language reference."""
    pages = [_ROOT / "README.md", *sorted((_ROOT / "docs").rglob("*.md"))]
    return [page.read_text(encoding="utf-8") for page in pages] + [topics[name] for name in sorted(topics)]
