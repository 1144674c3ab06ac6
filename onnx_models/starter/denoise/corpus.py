"""The corpus of the starter corrector: sentences with errors and their corrections, for training and held out."""

import random
from collections.abc import Mapping
from pathlib import Path

from onnx_models.starter.denoise.dictionary import WORD, is_known
from onnx_models.starter.denoise.error_kinds import ErrorKind, lose_end
from onnx_models.starter.denoise.sentences import random_sentence, random_words, with_other_word
from onnx_models.starter.denoise.typing_errors import ERROR_KINDS, misspell, with_errors
from onnx_models.starter.denoise.unknown_words import with_blends
from onnx_models.starter.texts.data import Rows
from onnx_models.starter.texts.example import Example
from onnx_models.starter.texts.held_out import draw_distinct

# A quarter of the sentences have no error, because the corrector must also learn to change nothing.
_NUM_ERRORS = (0, 1, 2, 3)
_SHARES = (0.25, 0.35, 0.3, 0.1)
# The other half are words in any order: correct text is not always what a template would lead to expect.
_SHARE_OF_SENTENCES = 0.5
_SHARE_OF_PAIRS = 0.06
_UNKNOWN = 0.15
_OTHER_WORDS = 0.3
_SHARE_WITH_BLENDS = 0.6
_IN_ANY_ORDER = {kind: weight for kind, weight in ERROR_KINDS.items() if kind is not lose_end}
"""Errors in words of any order: nothing there shows which mark ended them."""

PROBES = tuple(Example(*row) for row in Rows.parse(Path(__file__).with_name("probes.txt").read_text(encoding="utf-8")))
"""Sentences written by hand, never trained on. How they came out showed that training needs blends of known words. Many
of their words are in no list, so the figures that they give are low bars to look at, not goals."""


def training_example(rng: random.Random, blends: float = 0.0) -> Example:
    """Return a sentence, words in any order, or both, with no errors or a few; nothing in it is held out.

    ``blends`` is the share of words that are blends of two known ones.
    """
    if rng.random() < _SHARE_OF_PAIRS:
        # A client that cuts a text into sentences may leave two together; the corrector must lose none of them.
        pair = _words(rng, blends), _sentence(rng, blends)
        return Example(*map(" ".join, zip(*pair, strict=True)))
    return _sentence(rng, blends) if rng.random() < _SHARE_OF_SENTENCES else _words(rng, blends)


def _sentence(rng: random.Random, blends: float) -> Example:
    target = random_sentence(rng, unknown=_UNKNOWN)
    while rng.random() < _OTHER_WORDS:
        target = with_other_word(target, rng)
    target = _with_blends(target, blends, rng)
    return Example(with_errors(target, _draw_num_errors(rng), rng, held_out=False), target)


def _words(rng: random.Random, blends: float) -> Example:
    target = _with_blends(random_words(rng), blends, rng)
    return Example(with_errors(target, _draw_num_errors(rng), rng, kinds=_IN_ANY_ORDER, held_out=False), target)


def _with_blends(target: str, blends: float, rng: random.Random) -> str:
    return with_blends(target, blends, rng) if blends and rng.random() < _SHARE_WITH_BLENDS else target


def _draw_num_errors(rng: random.Random) -> int:
    return rng.choices(_NUM_ERRORS, _SHARES)[0]


def held_out_examples(
    num_examples: int, seed: int, *, misspellings_held_out: bool = False, unknown: bool = False
) -> list[Example]:
    """Return different sentences that are held out from training, each with one or two errors; the same each time.

    Args:
        num_examples: how many.
        seed: of the sentences and their errors.
        misspellings_held_out: whether all errors are misspellings that training never has.
        unknown: whether every slot is filled with an unknown word that can be.
    """
    rng = random.Random(seed)  # noqa: S311 - sentences, not secrets
    kinds: Mapping[ErrorKind, float] = {misspell: 1.0} if misspellings_held_out else ERROR_KINDS

    def draw() -> Example:
        while True:
            target = random_sentence(rng, held_out=True, unknown=float(unknown))
            # Templates without an open slot have no unknown word, so they do not belong in this set.
            if unknown and all(map(is_known, WORD.findall(target))):
                continue
            num_errors = rng.randint(1, 2)
            source = with_errors(target, num_errors, rng, kinds=kinds, held_out=misspellings_held_out or None)
            if source != target:
                return Example(source, target)

    return draw_distinct(num_examples, draw, lambda example: example.target)
