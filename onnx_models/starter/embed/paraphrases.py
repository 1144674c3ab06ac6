"""Sentences with the same meaning in different words: the corpus of the starter embedding model.

A meaning is a few groups of synonyms (an action and an object; a person, an activity and a place; …) in one family.
A sentence of a meaning takes one phrase of each group and one frame of the family. **Held out from training** are
whole frames, and with them whole meanings: each of their groups was seen in training, their combination never.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path

from onnx_models.starter.texts import held_out as split
from onnx_models.starter.texts.data import Lines, Rows, Words, load
from onnx_models.starter.texts.templates import fill_at_random
from onnx_models.starter.texts.typing_noise import as_typed
from onnx_models.starter.texts.vocabulary import ACTIONS, COMMON_WORDS, GROUPS, OBJECTS

_FOLDER = Path(__file__).parent
_DETERMINERS = Words.parse("the, my, our, this, your, a, that")

_FRAMES = load(_FOLDER / "frames.toml", dict[str, dict[str, Lines]])
FRAMES, HELD_OUT_FRAMES = _FRAMES["train"], _FRAMES["held_out"]
"""By family of meanings."""
_PROBES = Rows.parse((_FOLDER / "probes.txt").read_text(encoding="utf-8"))
PROBES = tuple((query, paraphrase) for query, paraphrase in _PROBES)
"""Pairs written by hand before the first training run, and never trained on. The figures that they give are low bars
to look at, not goals: a model that knows only templates can't be good at free text."""


@dataclass(frozen=True)
class Meaning:
    """What a sentence says: its family, and the groups of synonyms by slot."""

    family: str
    slots: tuple[tuple[str, tuple[str, ...]], ...]

    def typed_sentence(self, rng: random.Random, *, held_out: bool = False) -> str:
        """Return one sentence with this meaning, as a person might type it.

        In training it often has a few everyday words around it, so that the model learns to ignore such words:
        otherwise it finds sentences similar that share nothing but an unknown frame.
        """
        text = self.sentence(rng, held_out=held_out)
        if not held_out and rng.random() < 0.4:
            parts = [" ".join(rng.choices(COMMON_WORDS, k=rng.randint(1, 5))), text.rstrip(".?!")]
            rng.shuffle(parts)
            text = rng.choice((" ", ", ", ": ", " - ")).join(parts)
        return as_typed(text, rng)

    def sentence(self, rng: random.Random, *, held_out: bool = False) -> str:
        """Return one sentence with this meaning, without typing noise."""
        frames = HELD_OUT_FRAMES if held_out else FRAMES
        return fill_at_random(rng.choice(frames[self.family]), {**dict(self.slots), "d": _DETERMINERS}, rng)


def all_meanings() -> list[Meaning]:
    """Return every meaning, always in the same order."""
    requests = [
        Meaning("request", (("a", action), ("o", thing)))
        for kind in OBJECTS
        for action, thing in product(ACTIONS[kind], OBJECTS[kind])
    ]
    things = [thing for kind in OBJECTS.values() for thing in kind]
    problems = [
        Meaning("problem", (("o", thing), ("p", problem))) for thing, problem in product(things, GROUPS["problems"])
    ]
    scenes = [
        Meaning("scene", (("s", person), ("g", activity), ("l", place)))
        for person, activity, place in product(GROUPS["people"], GROUPS["activities"], GROUPS["places"])
    ]
    questions = [
        Meaning("ask", (("q", question), ("o", tuple(f"the {name}" for name in thing))))
        for question, thing in product(GROUPS["questions"], things)
    ]
    return requests + problems + scenes + questions


def is_held_out(meaning: Meaning) -> bool:
    """Return whether this meaning is never trained on."""
    # The first phrase names a group, so another order of phrases would move meanings into training.
    return split.is_held_out(*(group[0] for _, group in meaning.slots))


def training_batches(num_batches: int, num_pairs: int, seed: int) -> Iterator[list[tuple[str, str]]]:
    """Yield batches of pairs; the sentences of a pair have the same meaning.

    Half of the batches come from one family alone: their meanings differ in one group of synonyms, and that is what
    teaches the model to distinguish "cancel my flight" from "book my flight".
    """
    rng = random.Random(seed)  # noqa: S311 - sentences, not secrets
    families = [[m for m in all_meanings() if m.family == name and not is_held_out(m)] for name in FRAMES]
    for _ in range(num_batches):
        chosen = [rng.choice(families)] if rng.random() < 0.5 else families
        meanings = [meaning for family in chosen for meaning in rng.sample(family, num_pairs // len(chosen))]
        yield [(meaning.typed_sentence(rng), meaning.typed_sentence(rng)) for meaning in meanings]


def held_out_pairs(num_pairs: int, seed: int) -> list[tuple[str, str]]:
    """Return pairs (query, paraphrase) of different meanings, all held out from training.

    The families have equal shares. Both sentences come from held-out frames and differ from each other; the
    paraphrases of all pairs together are the gallery in which a query is looked up.
    """
    rng = random.Random(seed)  # noqa: S311 - sentences, not secrets
    pairs: list[tuple[str, str]] = []
    for family in FRAMES:
        unseen = [meaning for meaning in all_meanings() if meaning.family == family and is_held_out(meaning)]
        for meaning in rng.sample(unseen, num_pairs // len(FRAMES)):
            query = paraphrase = meaning.typed_sentence(rng, held_out=True)
            # A pair of equal sentences would be found without any understanding.
            while paraphrase.lower() == query.lower():
                paraphrase = meaning.typed_sentence(rng, held_out=True)
            pairs.append((query, paraphrase))
    return pairs
