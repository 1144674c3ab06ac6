"""Poems: a title and two rhymed couplets of iambic pentameters about it.

What agrees: adjectives, verbs and ends of lines with the kind of thing, verbs and pronouns with its number and gender,
the end of a line with that of its neighbour. **Held out from training** are pairs of adjective and noun.
"""

import random
from dataclasses import dataclass
from itertools import product

from onnx_models.starter.writing.gaps import Gaps, is_held_out
from onnx_models.starter.writing.poem_words import KINDS, Exporter

_TITLE = "Poem: the {adjective} {noun}"
# Six syllables each; an end of four follows. The title's thing is in the first and the third line, a pronoun elsewhere.
_HEADS: tuple[tuple[str, ...], ...] = (
    ("The {adjective} {noun} will {verb}", "The {adjective} {noun} can {verb}", "The {adjective} {noun} must {verb}"),
    ("{subject} {love} to {pair}", "{subject} {want} to {pair}"),
    ("I watch the {adjective} {noun}", "I know the {adjective} {noun}", "We greet the {adjective} {noun}"),
    ("And I will {verb} with {object}", "And we will {verb} with {object}", "And I can {verb} with {object}"),
)
_SIGNS = (",", ".", ",", ".")


@dataclass(frozen=True)
class Topic:
    """What a poem is about."""

    kind: Exporter
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
    families = [rng.choice(couplet) for couplet in topic.kind.rhymes]
    for place, (heads, sign) in enumerate(zip(_HEADS, _SIGNS, strict=True)):
        filling = {"verb": rng.choice(topic.kind.verbs), "pair": rng.choice(topic.kind.pairs)}
        head = Gaps(rng.choice(heads), {}).fill(topic.fixed | filling)
        lines.append(f"{head} {rng.choice(_half(families[place // 2], place))}{sign}")
    return "\n".join(lines)


def is_poem(text: str) -> bool:
    """Tell whether a text could be one of `write_poem`."""
    title, *lines = text.split("\n")
    topic = _BY_TITLE.get(title)
    if topic is None or len(lines) != len(_HEADS):
        return False
    families = [_families_of(line, place, topic) for place, line in enumerate(lines)]
    return bool(families[0] & families[1]) and bool(families[2] & families[3])


def _half(family: tuple[str, ...], place: int) -> tuple[str, ...]:
    """Return the ends of a family that the line at this place may have."""
    middle = len(family) // 2
    return family[middle:] if place % 2 else family[:middle]


def _families_of(line: str, place: int, topic: Topic) -> set[tuple[str, ...]]:
    """Return the family that a line at this place of a poem rhymes in; nothing if no such line may stand there."""
    families = topic.kind.rhymes[place // 2]
    ends = {end: family for family in families for end in _half(family, place)}
    gaps = {name: (word,) for name, word in topic.fixed.items()}
    gaps |= {"verb": topic.kind.verbs, "pair": topic.kind.pairs, "end": tuple(ends)}
    found = (Gaps(f"{head} {{end}}{_SIGNS[place]}", gaps).read(line) for head in _HEADS[place])
    return {ends[filling["end"]] for filling in found if filling}


_BY_TITLE = {topic.title: topic for held_out in (False, True) for topic in topics(held_out=held_out)}
