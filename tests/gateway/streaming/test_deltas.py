"""What a client is told of growing texts: all of it once, whatever attempts and lost events there were."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.generation import Details, GeneratedSequence, GenerateOutput, TextDelta, Token
from contracts.tasks.generate import GENERATE
from services.gateway.http.errors import StreamBroken
from services.gateway.streaming.deltas import DeltaDeduplicator


def pieces_of(text: str, sequence: int = 0) -> list[TextDelta]:
    """Return a piece for each character, whose token has the character's number."""
    return [
        TextDelta(
            sequence=sequence,
            text=character,
            tokens=[Token(ord(character), character, -1.0)],
            finish_reason="length" if place == len(text) else None,
        )
        for place, character in enumerate(text, 1)
    ]


def generated(*texts: str, details: bool = True) -> GenerateOutput:
    sequences = [
        GeneratedSequence(
            generated_text=text,
            finish_reason="length",
            details=Details(
                finish_reason="length",
                generated_tokens=len(text),
                seed=1,
                tokens=[Token(ord(character), character, -1.0) for character in text],
            )
            if details
            else None,
        )
        for text in texts
    ]
    first = sequences[0]
    return GenerateOutput(
        generated_text=first.generated_text,
        finish_reason=first.finish_reason,
        details=first.details,
        sequences=sequences if len(sequences) > 1 else [],
    )


def complete(deduplicator: DeltaDeduplicator, output: GenerateOutput) -> list[TextDelta]:
    """Return what the client lacks of a finished job with one input."""
    assert GENERATE.stream is not None
    return deduplicator.complete([GENERATE.stream.deltas(output)])


def text_of(told: list[TextDelta], sequence: int = 0) -> str:
    return "".join(piece.text for piece in told if piece.sequence == sequence)


@given(st.text(min_size=1, max_size=30), st.lists(st.integers(0, 30), max_size=5), st.booleans(), st.data())
def test_attempts_and_lost_events_leave_no_trace(
    text: str, deaths: list[int], details: bool, data: st.DataObject
) -> None:
    deduplicator, told = DeltaDeduplicator(), []
    for attempt, num_told in enumerate(deaths, 1):
        deduplicator.start_attempt(attempt)
        left = pieces_of(text)[:num_told]
        while left:
            num = data.draw(st.integers(1, len(left)))
            told += deduplicator.add(attempt, left[:num])
            left = left[num:]
    told += complete(deduplicator, generated(text, details=details))
    assert text_of(told) == text
    assert sum(piece.finish_reason is not None for piece in told) == 1
    assert told[-1].finish_reason == "length"
    ids = [token.id for piece in told for token in piece.tokens]
    assert ids == ([ord(character) for character in text] if details else ids)


@given(st.lists(st.text("ab", max_size=4), min_size=2, max_size=5), st.data())
def test_each_of_several_texts_is_told_under_its_number(texts: list[str], data: st.DataObject) -> None:
    deduplicator, told = DeltaDeduplicator(), []
    for sequence, text in enumerate(texts):
        told += deduplicator.add(1, pieces_of(text, sequence)[: data.draw(st.integers(0, len(text)))])
    told += complete(deduplicator, generated(*texts))
    assert [text_of(told, sequence) for sequence in range(len(texts))] == texts
    assert sum(piece.finish_reason is not None for piece in told) == len(texts)


def test_another_text_is_not_told_on() -> None:
    deduplicator = DeltaDeduplicator()
    deduplicator.add(1, pieces_of("abc")[:2])
    deduplicator.add(2, pieces_of("axc")[:1])
    with pytest.raises(StreamBroken):
        deduplicator.add(2, pieces_of("axc")[1:])


def test_other_tokens_of_the_same_text_are_not_told_on() -> None:
    deduplicator = DeltaDeduplicator()
    deduplicator.add(1, [TextDelta(text="", tokens=[Token(1, "?", -1.0)])])
    with pytest.raises(StreamBroken):
        deduplicator.add(2, [TextDelta(text="", tokens=[Token(2, "?", -1.0)])])


@pytest.mark.parametrize("text", ["ab", "", "abx"])
def test_a_record_that_does_not_begin_with_what_was_told_is_no_end(text: str) -> None:
    deduplicator = DeltaDeduplicator()
    deduplicator.add(1, pieces_of("abc"))
    with pytest.raises(StreamBroken):
        complete(deduplicator, generated(text))


def test_what_an_earlier_attempt_still_says_counts_no_more() -> None:
    deduplicator = DeltaDeduplicator()
    deduplicator.start_attempt(2)
    assert deduplicator.add(1, pieces_of("old")) == []
    assert text_of(deduplicator.add(2, pieces_of("new"))) == "new"
