"""Poems: a title, and two rhymed couplets of iambic pentameters about it. All words are stressed as the metre needs.

What has to agree: adjectives, verbs and line ends with the kind of thing, verbs and pronouns with its number and
gender, and the ends of the two lines of a couplet. **Held out from training** are pairs of adjective and noun.
"""

import random
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import msgspec

from onnx_models.starter.texts.data import Words, load
from onnx_models.starter.texts.held_out import is_held_out
from onnx_models.starter.texts.templates import Template, fill

_TITLE = "Poem: the {adjective} {noun}"
# Six syllables each; an end of four follows. The noun is in the first and the third line, a pronoun in the others.
_HEADS: tuple[tuple[str, ...], ...] = (
    ("The {adjective} {noun} will {verb}", "The {adjective} {noun} can {verb}", "The {adjective} {noun} must {verb}"),
    ("{subject} {love} to {pair}", "{subject} {want} to {pair}"),
    ("I watch the {adjective} {noun}", "I know the {adjective} {noun}", "We greet the {adjective} {noun}"),
    ("And I will {verb} with {object}", "And we will {verb} with {object}", "And I can {verb} with {object}"),
)
_PUNCTUATION = (",", ".", ",", ".")


class Kind(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Things of one kind: their names and adjectives, what they do, and which rhymes suit them."""

    nouns: Words
    adjectives: Words
    verbs: Words
    pairs: Words
    """Two verbs that go together, as in "run and play"."""
    rhymes: tuple[tuple[str, ...], tuple[str, ...]]
    """Keys of `RHYMES` that the first couplet may have, and the second one."""
    pronouns: tuple[str, str] = ("it", "it")
    """Of one such thing: as subject and as object."""


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    rhymes: dict[str, Words]
    kinds: list[Kind]


_FILE = load(Path(__file__).with_name("poems.toml"), _File)
KINDS, RHYMES = _FILE.kinds, _FILE.rhymes
"""Rhymes are line ends, the first half for the first line of a couplet, the other half for the second."""


@dataclass(frozen=True)
class Topic:
    """What a poem is about."""

    kind: Kind
    adjective: str
    noun: str
    plural: bool

    @property
    def values(self) -> dict[str, str]:
        """What fills those slots of a poem that the topic decides."""
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
        """The first line of the text, which is the prompt."""
        return fill(_TITLE, self.values)


def topics(*, held_out: bool = False) -> list[Topic]:
    """Return all topics that are in training, or all that are held out, always in the same order."""
    return [
        Topic(kind, adjective, noun, plural)
        for kind in KINDS
        for adjective, noun, plural in product(kind.adjectives, kind.nouns, (False, True))
        if is_held_out(adjective, noun) == held_out
    ]


def write_poem(rng: random.Random, topic: Topic) -> str:
    """Return a poem including its title, without a line break at the end."""
    lines = [topic.title]
    rhymes = [rng.choice(couplet) for couplet in topic.kind.rhymes]
    for index, (heads, mark) in enumerate(zip(_HEADS, _PUNCTUATION, strict=True)):
        # Both are drawn for each line, though it needs one at most: all later draws depend on it.
        verbs = {"verb": rng.choice(topic.kind.verbs), "pair": rng.choice(topic.kind.pairs)}
        head = fill(rng.choice(heads), topic.values | verbs)
        lines.append(f"{head} {rng.choice(_ends(rhymes[index // 2], index))}{mark}")
    return "\n".join(lines)


def is_poem(text: str) -> bool:
    """Return whether `write_poem` could write this text."""
    title, *lines = text.split("\n")
    topic = _BY_TITLE.get(title)
    if topic is None or len(lines) != len(_HEADS):
        return False
    rhymes = [_rhymes_of(line, index, topic) for index, line in enumerate(lines)]
    return bool(rhymes[0] & rhymes[1]) and bool(rhymes[2] & rhymes[3])


def _ends(rhyme: str, index: int) -> tuple[str, ...]:
    """Return the ends with this rhyme that the line with this index may have."""
    ends = RHYMES[rhyme]
    # The lines of a couplet choose from different halves, so that no end rhymes with itself.
    middle = len(ends) // 2
    return ends[middle:] if index % 2 else ends[:middle]


def _rhymes_of(line: str, index: int, topic: Topic) -> set[str]:
    """Return the rhyme of a line; nothing if the poem can't have this line at this index."""
    rhyme_of = {end: rhyme for rhyme in topic.kind.rhymes[index // 2] for end in _ends(rhyme, index)}
    choices: dict[str, tuple[str, ...]] = {slot: (word,) for slot, word in topic.values.items()}
    choices |= {"verb": topic.kind.verbs, "pair": topic.kind.pairs, "end": tuple(rhyme_of)}
    found = (Template(f"{head} {{end}}{_PUNCTUATION[index]}", choices).parse(line) for head in _HEADS[index])
    return {rhyme_of[values["end"]] for values in found if values}


# The checker must accept held-out poems too.
_BY_TITLE = {topic.title: topic for held_out in (False, True) for topic in topics(held_out=held_out)}
