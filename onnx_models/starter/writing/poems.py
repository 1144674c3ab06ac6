"""Poems: a title and two rhymed couplets of iambic pentameters about it.

What agrees: adjectives and verbs with the kind of thing, verbs and pronouns with its number and gender, the end of a
line with that of its neighbour. **Held out from training** are pairs of adjective and noun.
"""

import random
from dataclasses import dataclass
from itertools import product

from onnx_models.starter.writing.gaps import Gaps, is_held_out
from onnx_models.starter.writing.poem_words import KINDS, RHYMES, Kind

_TITLE = "Poem: the {adjective} {noun}"
# Six syllables each; an end of four follows. The title's thing is in the first and the third line, a pronoun elsewhere.
_HEADS: tuple[tuple[str, ...], ...] = (
    ("The {adjective} {noun} will {verb}", "The {adjective} {noun} can {verb}", "The {adjective} {noun} must {verb}"),
    ("{subject} {love} to {verb} and {verb2}", "{subject} {want} to {verb} and {verb2}"),
    ("I watch the {adjective} {noun}", "I know the {adjective} {noun}", "We greet the {adjective} {noun}"),
    ("And I will {verb} with {object}", "And we will {verb} with {object}", "And I can {verb} with {object}"),
)
_SIGNS = (",", ".", ",", ".")
_FAMILY = {end: family for family, ends in enumerate(RHYMES) for end in ends}


@dataclass(frozen=True)
class Topic:
    """What a poem is about."""

    kind: Kind
    adjective: str
    noun: str
    plural: bool

    @property
    def fixed(self) -> dict[str, str]:
        """What fills those gaps of a poem that this topic decides."""
        subject, target = ("they", "them") if self.plural else self.kind.pronouns
        ending = "" if self.plural else "s"
        return {
            "adjective": self.adjective,
            "noun": self.noun + "s" * self.plural,
            "subject": subject.capitalize(),
            "object": target,
            "love": "love" + ending,
            "want": "want" + ending,
        }

    @property
    def title(self) -> str:
        """The first line of the text, which is the prompt of a poem."""
        return Gaps(_TITLE, {}).fill(self.fixed)


def topics(*, held_out: bool = False) -> list[Topic]:
    """Return all topics that training sees, or all others, always in the same order."""
    return [
        Topic(kind, adjective, noun, plural)
        for kind in KINDS
        for adjective, noun, plural in product(kind.adjectives, kind.nouns, (False, True))
        if is_held_out(adjective, noun) == held_out
    ]


def write_poem(rng: random.Random, topic: Topic) -> str:
    """Return a poem, title included, without a line break at its end."""
    lines = [topic.title]
    families = rng.sample(RHYMES, 2)
    ends = [end for family in families for end in rng.sample(family, 2)]
    for heads, end, sign in zip(_HEADS, ends, _SIGNS, strict=True):
        verb, other = rng.sample(topic.kind.verbs, 2)
        head = Gaps(rng.choice(heads), {}).fill({**topic.fixed, "verb": verb, "verb2": other})
        lines.append(f"{head} {end}{sign}")
    return "\n".join(lines)


def is_poem(text: str) -> bool:
    """Tell whether a text could be one of `write_poem`."""
    title, *lines = text.split("\n")
    topic = _BY_TITLE.get(title)
    if topic is None or len(lines) != len(_HEADS):
        return False
    ends = [_end_of(line, place, topic) for place, line in enumerate(lines)]
    if None in ends or len(set(ends)) < len(ends):
        return False
    first, second, third, fourth = (_FAMILY[end] for end in ends if end)
    return first == second != third == fourth


def _end_of(line: str, place: int, topic: Topic) -> str | None:
    """Return the end of a line that stands at this place of a poem, or None if no such line may stand there."""
    gaps = {name: (word,) for name, word in topic.fixed.items()}
    gaps |= {"verb": topic.kind.verbs, "verb2": topic.kind.verbs, "end": tuple(_FAMILY)}
    for head in _HEADS[place]:
        found = Gaps(f"{head} {{end}}{_SIGNS[place]}", gaps).read(line)
        if found and found.get("verb") != found.get("verb2", ""):
            return found["end"]
    return None


_BY_TITLE = {topic.title: topic for held_out in (False, True) for topic in topics(held_out=held_out)}
