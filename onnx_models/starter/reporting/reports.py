"""Write a report and its headline, and read back what a headline says.

A report tells the facts of its topic in any order, among things that its headline leaves out. Of a text that holds
several reports or headlines the headline is that of the first: so the summaries of a long text's parts, put in a row,
give the headline of what the text begins with.
"""

import random
import re
from dataclasses import dataclass
from functools import cache

from onnx_models.starter.reporting import names
from onnx_models.starter.reporting.topic import DRAWN_BY, FIGURES, WORDS, Topic
from onnx_models.starter.reporting.topics import TOPICS
from onnx_models.starter.templates import words
from onnx_models.starter.translating.phrases import capital

_GAP = re.compile(r"\{(\w+)\}")
_WORDS = {name: words(row) for name, row in WORDS.items()}
_MAX_TRIES = 100


@dataclass(frozen=True)
class Report:
    """A text, the headline that states its facts, and these facts by the names of the headline's gaps."""

    topic: Topic
    text: str
    headline: str
    facts: dict[str, str]


def write_report(rng: random.Random, topic: Topic, *, held_out: bool = False) -> Report:
    """Return a report of three to eight sentences; ``held_out``: with names and figures that training never sees."""
    asides = rng.sample(topic.asides, rng.randint(1, len(topic.asides) - 1))
    told = [rng.choice(ways) for ways in topic.told]
    filling = _facts(rng, topic, held_out)
    sentences = [_fill(rng, text, filling, held_out) for text in [*told, *asides]]
    rng.shuffle(sentences)
    headline = capital(_fill(rng, topic.headline, filling, held_out))
    facts = {name: filling[name] for name in _GAP.findall(topic.headline)}
    return Report(topic, " ".join(map(capital, sentences)), headline, facts)


def training_pair(rng: random.Random) -> tuple[str, str]:
    """Return a text and its headline: mostly a report; else several headlines, one headline, or several reports."""
    first = write_report(rng, rng.choice(TOPICS))
    way = rng.random()
    if way < 0.8:
        return first.text, first.headline
    if way < 0.85:
        more = [write_report(rng, rng.choice(TOPICS)).text for _ in range(rng.choice((1, 1, 2)))]
        return rng.choice((" ", "\n", "\n\n")).join([first.text, *more]), first.headline
    headlines = [write_report(rng, rng.choice(TOPICS)).headline for _ in range(rng.randint(0, 6))]
    joint = rng.choice((" ", "\n", ". ", ".\n", "\n\n"))
    return joint.join([first.headline, *headlines]) + ("." if joint[0] == "." else ""), first.headline


def read_headline(topic: Topic, text: str) -> dict[str, str]:
    """Return what a text says where the topic's headline has its gaps; nothing: it is no such headline."""
    found = _pattern(topic.headline).fullmatch(text)
    return found.groupdict() if found else {}


@cache
def _pattern(headline: str) -> re.Pattern[str]:
    parts = _GAP.split(headline)
    seen: set[str] = set()
    for place, part in enumerate(parts):
        if place % 2 == 0:
            parts[place] = re.escape(part)
        else:
            parts[place] = f"(?P={part})" if part in seen else f"(?P<{part}>{_group(part)})"
            seen.add(part)
    return re.compile("".join(parts))


def _group(gap: str) -> str:
    if gap in _WORDS:
        return f"(?i:{'|'.join(_WORDS[gap])})"
    return ".+?" if gap in DRAWN_BY else "[0-9]+"


def num_right(report: Report, text: str) -> int:
    """Return how many of the report's facts a text states in the way of the topic's headline."""
    said = read_headline(report.topic, text)
    return sum(said.get(name, "").lower() == value.lower() for name, value in report.facts.items())


def _facts(rng: random.Random, topic: Topic, held_out: bool) -> dict[str, str]:
    """Draw for every gap that the headline or the ways to tell it have; names that must differ do."""
    texts = [topic.headline, *(text for ways in topic.told for text in ways)]
    gaps = dict.fromkeys(gap for text in texts for gap in _GAP.findall(text))
    filling: dict[str, str] = {}
    for gap in gaps:
        filling[gap] = next(
            value for _ in range(_MAX_TRIES) if (value := _draw(rng, gap, held_out)) not in filling.values()
        )
    return filling | _score(rng, gaps)


def _score(rng: random.Random, gaps: dict[str, None]) -> dict[str, str]:
    """Return goals of which the first are more, or votes."""
    against = rng.choice((0, 1, 1, 2, 2, 3, 4))
    if "votes" in gaps:
        return {"against": str(rng.randint(1, 7))}
    return {"against": str(against), "goals": str(against + rng.randint(1, 3))} if "goals" in gaps else {}


def _fill(rng: random.Random, text: str, filling: dict[str, str], held_out: bool) -> str:
    def value(gap: re.Match[str]) -> str:
        return filling.get(gap[1]) or _draw(rng, gap[1], held_out)

    return _GAP.sub(value, text)


def _draw(rng: random.Random, gap: str, held_out: bool) -> str:
    if gap in _WORDS:
        return rng.choice(_WORDS[gap])
    if gap in FIGURES:
        least, most = FIGURES[gap]
        return names.figure(rng, least, most, held_out=held_out)
    if gap in DRAWN_BY:
        return str(getattr(names, DRAWN_BY[gap])(rng, held_out=held_out))
    return str(rng.randint(0, 9))
