"""De-duplication of deltas: the client gets every text once, whatever attempts and lost events there were."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.generation import Details, GeneratedSequence, GenerateOutput, TextDelta, Token
from contracts.tasks.generate import GENERATE
from services.gateway.http.errors import StreamBroken
from services.gateway.streaming.deltas import DeltaDeduplicator


def deltas_of(text: str, sequence: int = 0) -> list[TextDelta]:
    """Return a delta for each character, whose token has the character's number."""
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


def text_of(emitted: list[TextDelta], sequence: int = 0) -> str:
    return "".join(delta.text for delta in emitted if delta.sequence == sequence)


@given(st.text(min_size=1, max_size=30), st.lists(st.integers(0, 30), max_size=5), st.booleans(), st.data())
def test_retries_and_lost_events_do_not_change_the_text(
    text: str, deaths: list[int], details: bool, data: st.DataObject
) -> None:
    deduplicator, emitted = DeltaDeduplicator(), []
    for attempt, num_emitted in enumerate(deaths, 1):
        deduplicator.start_attempt(attempt)
        left = deltas_of(text)[:num_emitted]
        while left:
            num = data.draw(st.integers(1, len(left)))
            emitted += deduplicator.add(attempt, left[:num])
            left = left[num:]
    emitted += complete(deduplicator, generated(text, details=details))
    assert text_of(emitted) == text
    assert sum(delta.finish_reason is not None for delta in emitted) == 1
    assert emitted[-1].finish_reason == "length"
    ids = [token.id for delta in emitted for token in delta.tokens]
    assert ids == ([ord(character) for character in text] if details else ids)


@given(st.lists(st.text("ab", max_size=4), min_size=2, max_size=5), st.data())
def test_each_of_several_sequences_is_deduplicated_by_its_number(texts: list[str], data: st.DataObject) -> None:
    deduplicator, emitted = DeltaDeduplicator(), []
    for sequence, text in enumerate(texts):
        emitted += deduplicator.add(1, deltas_of(text, sequence)[: data.draw(st.integers(0, len(text)))])
    emitted += complete(deduplicator, generated(*texts))
    assert [text_of(emitted, sequence) for sequence in range(len(texts))] == texts
    assert sum(delta.finish_reason is not None for delta in emitted) == len(texts)


def test_another_text_breaks_the_stream() -> None:
    deduplicator = DeltaDeduplicator()
    deduplicator.add(1, deltas_of("abc")[:2])
    deduplicator.add(2, deltas_of("axc")[:1])
    with pytest.raises(StreamBroken):
        deduplicator.add(2, deltas_of("axc")[1:])


def test_other_tokens_of_the_same_text_break_the_stream() -> None:
    deduplicator = DeltaDeduplicator()
    deduplicator.add(1, [TextDelta(text="", tokens=[Token(1, "?", -1.0)])])
    with pytest.raises(StreamBroken):
        deduplicator.add(2, [TextDelta(text="", tokens=[Token(2, "?", -1.0)])])


@pytest.mark.parametrize("text", ["ab", "", "abx"])
def test_a_record_that_differs_from_the_deltas_breaks_the_stream(text: str) -> None:
    deduplicator = DeltaDeduplicator()
    deduplicator.add(1, deltas_of("abc"))
    with pytest.raises(StreamBroken):
        complete(deduplicator, generated(text))


def test_deltas_of_an_earlier_attempt_are_ignored() -> None:
    deduplicator = DeltaDeduplicator()
    deduplicator.start_attempt(2)
    assert deduplicator.add(1, deltas_of("old")) == []
    assert text_of(deduplicator.add(2, deltas_of("new"))) == "new"


def retry_s(num_deltas: int) -> float:
    """Return the processor time of receiving a text of so many deltas, and of comparing a second attempt with it."""
    deltas = [TextDelta(text="word ", tokens=[Token(number, "word ", -1.0)]) for number in range(num_deltas)]
    deduplicator = DeltaDeduplicator()
    started = time.process_time()
    for attempt in (1, 2):
        for delta in deltas:
            deduplicator.add(attempt, [delta])
    return time.process_time() - started


def test_the_time_of_a_retry_grows_with_the_length_of_its_text() -> None:
    short_s, long_s = (min(retry_s(number) for _ in range(3)) for number in (2_000, 64_000))
    # 32 times as much if it is linear; hundreds of times if each delta is compared with the whole text.
    assert long_s < 100 * short_s
