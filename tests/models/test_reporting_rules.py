"""The rules of the starter summarizer's reports: what they tell, what their headlines say, and how both are judged."""

import random
import re

import pytest

from onnx_models.starter.judge_summarizing import held_out_reports
from onnx_models.starter.reporting import names
from onnx_models.starter.reporting.reports import Report, num_right, read_headline, training_pair, write_report
from onnx_models.starter.reporting.topic import DRAWN_BY, FIGURES, WORDS
from onnx_models.starter.reporting.topics import TOPICS
from onnx_models.starter.writing.gaps import is_held_out

MATCH = TOPICS[0]
ROVERS = {
    "winner": "Rovers", "loser": "Leeds United", "goals": "3", "against": "1", "place": "New York", "day": "Sunday"
}  # fmt: skip
HEADLINE = "Rovers beat Leeds United 3-1 in New York on Sunday"
REPORT = Report(MATCH, "", HEADLINE, ROVERS)


def gaps(text: str) -> set[str]:
    return set(re.findall(r"\{(\w+)\}", text))


def test_a_headline_is_read_back() -> None:
    assert read_headline(MATCH, HEADLINE) == ROVERS
    assert num_right(REPORT, HEADLINE) == 6


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
    assert num_right(REPORT, text) == right


def test_reports_tell_their_facts_and_headlines_state_them() -> None:
    rng = random.Random(2)
    for topic in TOPICS:
        for held_out in (False, True):
            for _ in range(20):
                report = write_report(rng, topic, held_out=held_out)
                sentences = re.findall(r"[^.]+\.", report.text)
                assert 3 <= len(sentences) <= 9, report
                assert num_right(report, report.headline) == len(report.facts) >= 3
                assert not re.search(r"[{}|]|  ", report.text + report.headline)
                assert all(value.lower() in report.text.lower() for value in report.facts.values())
                assert report.headline[0].isupper() or report.headline[0].isdigit()


def test_every_way_to_tell_a_topic_tells_all_of_it() -> None:
    """Whichever way of each is taken, the facts are the same."""
    for topic in TOPICS:
        for ways in topic.told:
            told = [gaps(way) & gaps(topic.headline) for way in ways]
            assert all(facts == told[0] for facts in told), ways
        assert gaps(topic.headline) <= {gap for ways in topic.told for gap in gaps(ways[0])}
        assert len(topic.asides) >= 5


def test_what_stands_beside_the_facts_does_not_tell_them_otherwise() -> None:
    """A gap of the headline in a sentence that is left out would have the right value; others have their own names."""
    known = {*DRAWN_BY, *FIGURES, *WORDS, "goals", "against"}
    for topic in TOPICS:
        texts = [topic.headline, *topic.asides, *(way for ways in topic.told for way in ways)]
        assert set().union(*map(gaps, texts)) <= known


def test_the_winner_has_more_goals_and_a_vote_is_won() -> None:
    rng = random.Random(3)
    for _ in range(200):
        facts = write_report(rng, MATCH).facts
        assert int(facts["goals"]) > int(facts["against"])
        assert facts["winner"] != facts["loser"]
        vote = write_report(rng, next(topic for topic in TOPICS if "votes" in topic.headline)).facts
        assert int(vote["votes"]) > int(vote["against"])


def test_names_and_figures_that_are_judged_are_not_trained_on() -> None:
    rng = random.Random(5)
    read = " ".join(training_pair(rng)[0] for _ in range(3000))
    words, figures = set(re.findall(r"[A-Z][a-z]+", read)), set(re.findall(r"\d+", read))
    judged = [write_report(rng, topic, held_out=True) for topic in TOPICS for _ in range(20)]
    places = {report.facts["place"].split()[-1] for report in judged if "place" in report.facts}

    assert len(places) > 100
    assert not places & words
    assert not {report.facts[name] for report in judged for name in report.facts if name in FIGURES} & {
        figure for figure in figures if len(figure) > 1
    }


def test_about_one_name_in_five_is_held_out() -> None:
    rng = random.Random(1)
    drawn = {names.company(rng, held_out=rng.random() < 0.2) for _ in range(2000)}

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
