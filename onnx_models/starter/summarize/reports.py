"""Write a report and its headline, and count the facts that a headline states correctly.

A report states the facts of its topic in any order, among asides that its headline omits. The headline of a text that
holds several reports or headlines is that of the first one: then the summaries of a long text's chunks, joined, give
the headline of what the text begins with.
"""

import random
import re
from dataclasses import dataclass
from functools import cache
from itertools import chain
from pathlib import Path
from typing import Self

import msgspec

from onnx_models.starter.summarize import slots
from onnx_models.starter.texts.data import Lines, load
from onnx_models.starter.texts.templates import capitalized, compile_template, fill_with, slots_of

_MAX_TRIES = 100


class Wordings(tuple[Lines, ...]):
    """Wordings of one sentence after another; a blank line is between the sentences."""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Split a text."""
        return cls(map(Lines.parse, text.split("\n\n")))


class Topic(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What reports are about: templates of headlines and sentences."""

    headline: str
    facts: Wordings
    """A report has each sentence in one of its wordings, in any order."""
    asides: Lines
    """Sentences that a report may have and the headline omits."""


TOPICS = load(Path(__file__).with_name("topics.toml"), dict[str, list[Topic]])["topics"]


@dataclass(frozen=True)
class Report:
    """A text, its headline, and the facts that the headline states, by slot."""

    topic: Topic
    text: str
    headline: str
    facts: dict[str, str]


def write_report(rng: random.Random, topic: Topic, *, held_out: bool = False) -> Report:
    """Return a report of three to eight sentences; ``held_out``: with names and figures that are not in training."""
    asides = rng.sample(topic.asides, rng.randint(1, len(topic.asides) - 1))
    templates = [*(rng.choice(wordings) for wordings in topic.facts), *asides]
    values = _draw_facts(rng, topic, held_out)

    def value_of(slot: str) -> str:
        return values.get(slot) or slots.draw(rng, slot, held_out=held_out)

    sentences = [capitalized(fill_with(template, value_of)) for template in templates]
    rng.shuffle(sentences)
    headline = capitalized(fill_with(topic.headline, value_of))
    return Report(topic, " ".join(sentences), headline, {slot: values[slot] for slot in slots_of(topic.headline)})


def training_pair(rng: random.Random) -> tuple[str, str]:
    """Return a text and its headline: mostly a report; else several headlines, one headline, or several reports."""
    first = write_report(rng, rng.choice(TOPICS))
    form = rng.random()
    if form < 0.8:
        return first.text, first.headline
    if form < 0.85:
        more = [write_report(rng, rng.choice(TOPICS)).text for _ in range(rng.choice((1, 1, 2)))]
        return rng.choice((" ", "\n", "\n\n")).join([first.text, *more]), first.headline
    headlines = [write_report(rng, rng.choice(TOPICS)).headline for _ in range(rng.randint(0, 6))]
    # However the summaries of a long text's chunks are joined, the first one must come back.
    separator = rng.choice((" ", "\n", ". ", ".\n", "\n\n"))
    ending = "." if separator[0] == "." else ""
    return separator.join([first.headline, *headlines]) + ending, first.headline


def parse_headline(topic: Topic, text: str) -> dict[str, str]:
    """Return what a text has in the slots of the topic's headline; nothing if it is not such a headline."""
    found = _headline_pattern(topic.headline).fullmatch(text)
    return found.groupdict() if found else {}


def num_correct(report: Report, text: str) -> int:
    """Return how many of the report's facts a text states in the wording of the topic's headline."""
    stated = parse_headline(report.topic, text)
    return sum(stated.get(slot, "").lower() == value.lower() for slot, value in report.facts.items())


@cache
def _headline_pattern(headline: str) -> re.Pattern[str]:
    def pattern_of(slot: str) -> str:
        if slot in slots.WORDS:
            return f"(?i:{'|'.join(slots.WORDS[slot])})"
        return ".+?" if slot in slots.NAMES else "[0-9]+"

    return re.compile(compile_template(headline, pattern_of))


def _draw_facts(rng: random.Random, topic: Topic, held_out: bool) -> dict[str, str]:
    """Draw a value for every slot of the headline and of the facts; they all differ, except for a score."""
    needed = dict.fromkeys(chain.from_iterable(map(slots_of, (topic.headline, *chain(*topic.facts)))))
    values: dict[str, str] = {}
    for slot in needed:  # those of a score too, which are replaced below
        drawn = (slots.draw(rng, slot, held_out=held_out) for _ in range(_MAX_TRIES))
        values[slot] = next(value for value in drawn if value not in values.values())
    return values | _draw_score(rng, needed)


def _draw_score(rng: random.Random, needed: dict[str, None]) -> dict[str, str]:
    """Return goals, more for the winner than against, or the votes against."""
    # Drawn for reports without a score too: all later draws depend on it.
    against = rng.choice((0, 1, 1, 2, 2, 3, 4))
    if "votes" in needed:
        return {"against": str(rng.randint(1, 7))}
    return {"against": str(against), "goals": str(against + rng.randint(1, 3))} if "goals" in needed else {}
