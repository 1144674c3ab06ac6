"""The corpus of the starter summarizer: what reports and headlines state, and how facts are counted."""

import random
import re

import pytest

from onnx_models.starter.summarize.evaluation import held_out_reports
from onnx_models.starter.summarize.reports import (
    TOPICS,
    Report,
    num_correct,
    parse_headline,
    training_pair,
    write_report,
)
from onnx_models.starter.summarize.slots import FIGURES, NAMES, WORDS, company
from onnx_models.starter.texts.held_out import is_held_out
from onnx_models.starter.texts.templates import slots_of

MATCH = TOPICS[0]
ROVERS = {
    "winner": "Rovers", "loser": "Leeds United", "goals": "3", "against": "1", "place": "New York", "day": "Sunday"
}  # fmt: skip
HEADLINE = "Rovers beat Leeds United 3-1 in New York on Sunday"
REPORT = Report(MATCH, "", HEADLINE, ROVERS)


def slots(text: str) -> set[str]:
    return set(slots_of(text))


def test_a_headline_is_read_back() -> None:
    assert parse_headline(MATCH, HEADLINE) == ROVERS
    assert num_correct(REPORT, HEADLINE) == 6


@pytest.mark.parametrize(
    ("text", "right"),
    [
        (HEADLINE.replace("3-1", "1-3"), 4),
        (HEADLINE.replace("3-1", "3-11"), 5),
        (HEADLINE.replace("Sunday", "Monday"), 5),
        (HEADLINE.replace("New York", "York"), 5),
        ("Leeds United beat Rovers 3-1 in New York on Sunday", 4),
        (f"{HEADLINE}.", 0),
        (f"{HEADLINE} {HEADLINE}", 5),
        ("Rovers won 3-1 against Leeds United in New York on Sunday", 0),
        ("Rovers, Leeds United, 3, 1, New York, Sunday", 0),
        ("", 0),
    ],
)
def test_a_fact_counts_only_in_its_place(text: str, right: int) -> None:
    assert num_correct(REPORT, text) == right


def test_reports_and_headlines_state_the_facts() -> None:
    rng = random.Random(2)
    for topic in TOPICS:
        for held_out in (False, True):
            for _ in range(20):
                report = write_report(rng, topic, held_out=held_out)
                sentences = re.findall(r"[^.]+\.", report.text)
                assert 3 <= len(sentences) <= 9, report
                assert num_correct(report, report.headline) == len(report.facts) >= 3
                assert not re.search(r"[{}|]|  ", report.text + report.headline)
                assert all(value.lower() in report.text.lower() for value in report.facts.values())
                assert report.headline[0].isupper() or report.headline[0].isdigit()


def test_all_wordings_of_a_fact_state_the_same() -> None:
    for topic in TOPICS:
        for wordings in topic.facts:
            facts = [slots(wording) & slots(topic.headline) for wording in wordings]
            assert all(found == facts[0] for found in facts), wordings
        assert slots(topic.headline) <= {slot for wordings in topic.facts for slot in slots(wordings[0])}
        assert len(topic.asides) >= 5


def test_asides_do_not_contradict_the_facts() -> None:
    """A slot of the headline has the same value in an aside, and other slots have names of their own."""
    known = {*NAMES, *FIGURES, *WORDS, "goals", "against"}
    for topic in TOPICS:
        texts = [topic.headline, *topic.asides, *(wording for wordings in topic.facts for wording in wordings)]
        assert set().union(*map(slots, texts)) <= known


def test_the_winner_has_more_goals_and_a_vote_is_won() -> None:
    rng = random.Random(3)
    for _ in range(200):
        facts = write_report(rng, MATCH).facts
        assert int(facts["goals"]) > int(facts["against"])
        assert facts["winner"] != facts["loser"]
        vote = write_report(rng, next(topic for topic in TOPICS if "votes" in topic.headline)).facts
        assert int(vote["votes"]) > int(vote["against"])


def test_held_out_names_and_figures_are_not_trained_on() -> None:
    rng = random.Random(5)
    read = " ".join(training_pair(rng)[0] for _ in range(3000))
    words, figures = set(re.findall(r"[A-Z][a-z]+", read)), set(re.findall(r"\d+", read))
    held_out = [write_report(rng, topic, held_out=True) for topic in TOPICS for _ in range(20)]
    places = {report.facts["place"].split()[-1] for report in held_out if "place" in report.facts}

    assert len(places) > 100
    assert not places & words
    assert not {report.facts[name] for report in held_out for name in report.facts if name in FIGURES} & {
        figure for figure in figures if len(figure) > 1
    }


def test_about_one_name_in_five_is_held_out() -> None:
    rng = random.Random(1)
    drawn = {company(rng, rng.random() < 0.2) for _ in range(2000)}

    assert 0.1 < sum(is_held_out("name", name) for name in drawn) / len(drawn) < 0.3


def test_of_several_headlines_the_first_is_the_answer() -> None:
    rng = random.Random(8)
    pairs = [training_pair(rng) for _ in range(500)]
    rows = [(text, headline) for text, headline in pairs if text.startswith(headline)]

    assert 40 < len(rows) < 150
    assert any("\n" in text for text, _ in rows)
    assert any(text == headline for text, headline in rows)


def test_the_same_seed_writes_the_same_reports() -> None:
    assert [training_pair(random.Random(seed)) for seed in range(50)] == [
        training_pair(random.Random(seed)) for seed in range(50)
    ]
    assert held_out_reports(2) == held_out_reports(2)
    assert len({report.text for report in held_out_reports()}) == len(held_out_reports()) == 20 * len(TOPICS)
