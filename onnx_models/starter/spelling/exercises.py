"""What the starter corrector is trained on, and what it is judged by: sentences with errors, and what is right."""

import random
from typing import NamedTuple

from onnx_models.starter.spelling.dictionary import WORD, is_known
from onnx_models.starter.spelling.mistakes import SLIPS, misspell, with_mistakes
from onnx_models.starter.spelling.sentences import random_sentence, random_words, with_other_words
from onnx_models.starter.spelling.slips import lose_end
from onnx_models.starter.spelling.strangers import with_blends

_NUM_MISTAKES = (0, 1, 2, 3)
_SHARES = (0.25, 0.35, 0.3, 0.1)
_SHARE_OF_SENTENCES = 0.5
_SHARE_OF_PAIRS = 0.06
_STRANGERS = 0.15
_OTHER_WORDS = 0.3
_SHARE_WITH_BLENDS = 0.6
_SURE = {kind: weight for kind, weight in SLIPS.items() if kind is not lose_end}
"""Errors in words of any order: nothing tells which sign ended them."""


class Exercise(NamedTuple):
    """A sentence as it was typed, and as it should be."""

    typed: str
    right: str


def training_exercise(rng: random.Random, blends: float = 0.0) -> Exercise:
    """Return a sentence, words in any order, or both, with no errors or a few; nothing in it is held out.

    ``blends`` is the share of words that are made of parts of two known ones.
    """
    if rng.random() < _SHARE_OF_PAIRS:
        # Who cuts texts into sentences may leave two together; none of them may be lost.
        return Exercise(*(" ".join(texts) for texts in zip(_words(rng, blends), _sentence(rng, blends), strict=True)))
    return _sentence(rng, blends) if rng.random() < _SHARE_OF_SENTENCES else _words(rng, blends)


def _sentence(rng: random.Random, blends: float) -> Exercise:
    right = random_sentence(rng, strangers=_STRANGERS)
    while rng.random() < _OTHER_WORDS:
        right = with_other_words(right, rng)
    right = _with_blends(right, blends, rng)
    return Exercise(with_mistakes(right, _draw_num_mistakes(rng), rng, held_out=False), right)


def _words(rng: random.Random, blends: float) -> Exercise:
    right = _with_blends(random_words(rng), blends, rng)
    return Exercise(with_mistakes(right, _draw_num_mistakes(rng), rng, kinds=_SURE, held_out=False), right)


def _with_blends(right: str, blends: float, rng: random.Random) -> str:
    return with_blends(right, blends, rng) if blends and rng.random() < _SHARE_WITH_BLENDS else right


def _draw_num_mistakes(rng: random.Random) -> int:
    return rng.choices(_NUM_MISTAKES, _SHARES)[0]


def held_out_exercises(
    num_exercises: int, seed: int, *, misspellings_held_out: bool = False, strange: bool = False
) -> list[Exercise]:
    """Return different sentences that training never saw, each with one or two errors; the same each time.

    Args:
        num_exercises: how many.
        seed: of what they say and of their errors.
        misspellings_held_out: whether all errors are misspellings that training never saw.
        strange: whether words that no list has stand wherever there may be some.
    """
    rng = random.Random(seed)  # noqa: S311 - sentences, not secrets
    found: dict[str, Exercise] = {}
    while len(found) < num_exercises:
        right = random_sentence(rng, held_out=True, strangers=float(strange))
        if strange and all(map(is_known, WORD.findall(right))):
            continue
        num_mistakes = rng.randint(1, 2)
        typed = (
            with_mistakes(right, num_mistakes, rng, kinds={misspell: 1}, held_out=True)
            if misspellings_held_out
            else with_mistakes(right, num_mistakes, rng)
        )
        if typed != right:
            found.setdefault(right, Exercise(typed, right))
    return list(found.values())
