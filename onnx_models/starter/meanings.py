"""Sentences with the same meaning in other words: what the starter embedding model learns from and is judged by.

A meaning is a few synonym groups (an action and an object, a person, a doing and a place, …) in one family. Saying a
meaning picks one word of each group and one frame of the family. **Held out from training** are whole frames and, with
them, whole meanings: each group was seen in training, this combination of groups never.
"""

import random
import zlib
from dataclasses import dataclass
from itertools import product

from onnx_models.starter.templates import as_typed, fill, words
from onnx_models.starter.vocabulary import ACTIONS, ASKS, COMMON, DOINGS, OBJECTS, PEOPLE, PLACES, PROBLEMS, Group

_DETERMINERS = words("the, my, our, this, your, a, that")

FRAMES: dict[str, tuple[str, ...]] = {
    "request": (
        "I want to {a} {d} {o}.",
        "How do I {a} {d} {o}?",
        "How can I {a} {d} {o}?",
        "Please {a} {d} {o}.",
        "{a} {d} {o}",
        "Can you {a} {d} {o} for me?",
        "I need to {a} {d} {o}",
        "Is there a way to {a} {d} {o}?",
        "I would like to {a} {d} {o} as soon as possible.",
        "We have to {a} {d} {o} this week.",
        "What do I have to do to {a} {d} {o}?",
        "Could somebody {a} {d} {o}?",
        "My plan is to {a} {d} {o}",
        "{d} {o}: I want to {a} it",
        "It is time to {a} {d} {o}.",
        "Who can {a} {d} {o}?",
        "Help me {a} {d} {o}",
        "I'm trying to {a} {d} {o} but I don't know how.",
        "Where can I {a} {d} {o}?",
        "Show me how to {a} {d} {o}",
        "Do you know how to {a} {d} {o}?",
        "Let's {a} {d} {o}.",
    ),
    "problem": (
        "{d} {o} {p}.",
        "I think {d} {o} {p}",
        "Unfortunately {d} {o} {p}.",
        "Help, {d} {o} {p}!",
        "There is a problem: {d} {o} {p}.",
        "It seems that {d} {o} {p}",
        "Why is it that {d} {o} {p}?",
        "I just noticed that {d} {o} {p}.",
        "My friend says {d} {o} {p}",
        "What should I do if {d} {o} {p}?",
        "Since yesterday {d} {o} {p}.",
        "I am writing because {d} {o} {p}.",
        "{d} {o} {p} again",
        "We are sorry, {d} {o} {p}.",
    ),
    "scene": (
        "A {s} is {g} {l}.",
        "The {s} is {g} {l}",
        "There is a {s} {g} {l}.",
        "{l} a {s} is {g}.",
        "I saw a {s} {g} {l}",
        "A {s} {g} {l}",
        "One {s}, {g}, {l}",
        "You can see a {s} who is {g} {l}.",
        "This photo shows a {s} {g} {l}.",
        "Look, that {s} is {g} {l}!",
        "Some {s} was {g} {l} this morning",
        "They noticed a {s} {g} {l}.",
    ),
    "ask": (
        "{q}?",
        "Can you tell me: {q}?",
        "I wonder, {q}?",
        "Quick question: {q}?",
        "Does anybody know: {q}?",
        "{q}, do you know?",
        "My question is {q}",
        "Tell me, {q}.",
        "I'd like to know: {q}",
        "Hi there, {q}?",
    ),
}

HELD_OUT_FRAMES: dict[str, tuple[str, ...]] = {
    "request": (
        "What is the best way to {a} {d} {o}?",
        "I am thinking about whether to {a} {d} {o}.",
        "Would you be so kind as to {a} {d} {o}?",
        "We were told that you {a} {d} {o}, right?",
        "Is it possible for me to {a} {d} {o} online?",
    ),
    "problem": (
        "I have to report that {d} {o} {p}.",
        "Did you know {d} {o} {p}?",
        "We regret to say it, but {d} {o} {p}",
        "{d} {o} {p}, and nobody told us.",
    ),
    "scene": (
        "In this picture we see a {s} {g} {l}.",
        "Right now a {s} is {g} somewhere {l}",
        "Here comes a {s}, busy {g} {l}.",
        "It was a {s} that was {g} {l}.",
    ),
    "ask": ("Sorry to bother you, {q}?", "Could anyone explain this to me: {q}?", "Before I decide: {q}?"),
}


@dataclass(frozen=True)
class Meaning:
    """One thing that can be said: its family, and the synonym groups by slot name."""

    family: str
    slots: tuple[tuple[str, Group], ...]

    def say(self, rng: random.Random, *, held_out: bool = False) -> str:
        """Return one sentence with this meaning, as a person might type it.

        In training often with a few everyday words around it, for the model to learn to look past such words: else it
        finds sentences alike that share nothing but an unknown frame.
        """
        text = self.plain(rng, held_out=held_out)
        if not held_out and rng.random() < 0.4:
            around = [" ".join(rng.choices(COMMON, k=rng.randint(1, 5))), text.rstrip(".?!")]
            rng.shuffle(around)
            text = rng.choice((" ", ", ", ": ", " - ")).join(around)
        return as_typed(text, rng)

    def plain(self, rng: random.Random, *, held_out: bool = False) -> str:
        """Return one sentence with this meaning, without the traces of typing."""
        frames = HELD_OUT_FRAMES if held_out else FRAMES
        slots: dict[str, tuple[str, ...]] = {**dict(self.slots), "d": _DETERMINERS}
        return fill(rng.choice(frames[self.family]), slots, rng)


def all_meanings() -> list[Meaning]:
    """Return every meaning, always in the same order."""
    requests = [
        Meaning("request", (("a", action), ("o", thing)))
        for kind in OBJECTS
        for action, thing in product(ACTIONS[kind], OBJECTS[kind])
    ]
    things = [thing for kind in OBJECTS.values() for thing in kind]
    problems = [Meaning("problem", (("o", thing), ("p", problem))) for thing, problem in product(things, PROBLEMS)]
    scenes = [Meaning("scene", (("s", s), ("g", g), ("l", place))) for s, g, place in product(PEOPLE, DOINGS, PLACES)]
    asks = [
        Meaning("ask", (("q", question), ("o", tuple(f"the {name}" for name in thing))))
        for question, thing in product(ASKS, things)
    ]
    return requests + problems + scenes + asks


def is_held_out(meaning: Meaning) -> bool:
    """Tell whether training never sees this meaning; one in five, by a checksum that is the same everywhere."""
    key = "|".join(group[0] for _, group in meaning.slots)
    return zlib.crc32(key.encode()) % 5 == 0


def held_out_pairs(num_pairs: int, seed: int) -> list[tuple[str, str]]:
    """Return (query, its paraphrase) for meanings that differ from each other, all held out from training.

    The families have equal shares. Both sentences come from held-out frames and differ from each other; the
    paraphrases of all pairs together are the gallery that a query is looked up in.
    """
    rng = random.Random(seed)  # noqa: S311 - sentences, not secrets
    pairs: list[tuple[str, str]] = []
    for family in FRAMES:
        unseen = [meaning for meaning in all_meanings() if meaning.family == family and is_held_out(meaning)]
        for meaning in rng.sample(unseen, num_pairs // len(FRAMES)):
            query = paraphrase = meaning.say(rng, held_out=True)
            while paraphrase.lower() == query.lower():
                paraphrase = meaning.say(rng, held_out=True)
            pairs.append((query, paraphrase))
    return pairs
