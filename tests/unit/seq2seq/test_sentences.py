# ruff: noqa: RUF001  (characters that look like others are meant)
"""Splitting texts into sentences, parts and chunks, without losing anything."""

import time
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.errors import InputTooLong, InvalidRequest
from workers.seq2seq.chunking.overlapping import overlapping_chunks
from workers.seq2seq.chunking.plan import MAX_CHUNKS, ChunkPlan, check_num_chunks, plan_sentences
from workers.seq2seq.chunking.sentences import split_sentences
from workers.seq2seq.chunking.splitting import split_to_fit

HOSTILE = [
    "a",
    ".",
    ". ",
    "a. ",
    ") ",
    '."',
    "\n",
    " ",
    "a, ",
    "ab ",
    "!?",
    "1.",
    "A. ",
    "你",
    "。",
    "\u0301",
    "😀",
    "\r\n",
]


def characters(texts: object) -> list[int]:
    return [len(text) for text in texts]  # type: ignore[attr-defined]


def concatenated(plan: ChunkPlan) -> str:
    return "".join(separator + chunk for separator, chunk in zip(plan.separators, [*plan.chunks, ""], strict=True))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("One. Two! Three? Four… Five", ["One.", "Two!", "Three?", "Four…", "Five"]),
        ("Mr. Smith paid $3.50. He left.", ["Mr. Smith paid $3.50.", "He left."]),
        ("Use it, e.g. Python, i.e. now. Then rest.", ["Use it, e.g. Python, i.e. now.", "Then rest."]),
        ("We meet at 5 p.m. It is far.", ["We meet at 5 p.m.", "It is far."]),
        (
            "We meet at 5 p.m. Monday in the U.S. Iceland is far.",
            ["We meet at 5 p.m. Monday in the U.S. Iceland is far."],
        ),
        ("Das ist z.B. Glas. Am 3. Mai kam er.", ["Das ist z.B. Glas.", "Am 3. Mai kam er."]),
        ("Der 2. Versuch gelang. Ende.", ["Der 2. Versuch gelang.", "Ende."]),
        ("I have 12. Then 13.", ["I have 12.", "Then 13."]),
        ("J. R. R. Tolkien wrote. It sold.", ["J. R. R. Tolkien wrote.", "It sold."]),
        ("See Fig. 3 and No. 5. I said no. Then I left.", ["See Fig. 3 and No. 5.", "I said no.", "Then I left."]),
        ('"Really?" he said. "Yes." She came.', ['"Really?" he said.', '"Yes."', "She came."]),
        ("Wait... what? Wait... What?", ["Wait... what?", "Wait...", "What?"]),
        ("(It rained.) We stayed.", ["(It rained.)", "We stayed."]),
        ("1. First item. Second one.", ["1. First item.", "Second one."]),
        ("¿Qué? ¡Sí! Vale.", ["¿Qué?", "¡Sí!", "Vale."]),
        ("你好。今天好吗？“好！”再见", ["你好。", "今天好吗？", "“好！”", "再见"]),
        ("यह है। वह है।", ["यह है।", "वह है।"]),
        ("See example.com or 10.0.0.1 now", ["See example.com or 10.0.0.1 now"]),
        ("A line\nand its next\n\nA paragraph", ["A line", "and its next", "A paragraph"]),
        (" ", []),
    ],
)
def test_a_text_is_split_at_the_ends_of_its_sentences(text: str, expected: list[str]) -> None:
    parts = [*split_sentences(text)]
    assert "".join(parts) == text
    assert [part for part in parts if not part.isspace()] == expected


@settings(derandomize=True, deadline=None)
@given(st.text(alphabet=st.sampled_from("aA1.!?…\"')( \n\r\t\u2028\x1c。你,;"), max_size=60) | st.text(max_size=60))
def test_nothing_of_a_text_is_lost(text: str) -> None:
    parts = [*split_sentences(text)]
    assert "".join(parts) == text and all(parts)
    assert all(part.isspace() or part == part.strip() for part in parts)
    plan = plan_sentences([text], html=False, max_tokens=7, count_tokens=characters)[0]
    assert concatenated(plan) == text
    assert all(chunk == chunk.strip() and 0 < len(chunk) <= 7 for chunk in plan.chunks)


@pytest.mark.parametrize("unit", HOSTILE)
def test_a_megabyte_of_anything_takes_linear_time(unit: str) -> None:
    def cost(size: int) -> float:
        text = unit * (size // len(unit))
        started = time.process_time()
        parts = [*split_sentences(text)]
        cut = split_to_fit([text], 500, characters)[0]
        assert "".join(parts) == "".join(part.text for part in cut) == text
        assert all(part.num_tokens == len(part.text) <= 500 for part in cut)
        return time.process_time() - started

    cost(10_000)
    assert cost(320_000) < max(0.5, 40 * min(cost(40_000) for _ in range(3)))


def test_a_long_sentence_is_split_at_clauses_else_words_else_characters() -> None:
    text = "first of all, a clause; " + "one two three four " + "x" * 25
    parts = split_to_fit([text], 14, characters)[0]
    assert "".join(part.text for part in parts) == text
    assert [part.text for part in parts][:2] == ["first of all, ", "a clause; "]
    assert all(len(part.text) <= 14 for part in parts)
    assert not any(part.text.startswith("ne") for part in parts), "a word was split"


def test_one_character_that_does_not_fit_is_refused() -> None:
    with pytest.raises(InputTooLong, match="a chunk may have 3"):
        split_to_fit(["\ufdfa"], 3, lambda texts: [18 * len(text) for text in texts])


def test_too_many_chunks_are_refused() -> None:
    check_num_chunks(MAX_CHUNKS)
    with pytest.raises(InvalidRequest, match=str(MAX_CHUNKS)):
        plan_sentences(["a.\n" * (MAX_CHUNKS + 1)], html=False, max_tokens=9, count_tokens=characters)


def test_text_without_words_is_a_separator() -> None:
    plan = plan_sentences(["* * *\nHello.\n--- :-) 😀"], html=False, max_tokens=9, count_tokens=characters)[0]
    assert plan == ChunkPlan(("Hello.",), ("* * *\n", "\n--- :-) 😀"))
    nothing = plan_sentences(["ab"], html=False, max_tokens=9, count_tokens=lambda texts: [0 for _ in texts])[0]
    assert nothing == ChunkPlan((), ("ab",)), "a text without tokens is a separator"


def test_chunks_of_a_summary_overlap_by_a_sentence() -> None:
    text = " ".join(f"No {number} came." for number in range(100, 160))
    chunks = overlapping_chunks(text, 120, characters)
    assert all(len(chunk) <= 120 for chunk in chunks)
    assert max(map(len, chunks)) - min(map(len, chunks)) <= 45, "the chunks must be about equally long"
    for before, after in pairwise(chunks):
        assert before.endswith(after[: len("No 100 came.")])
    found = [number for number in range(100, 160) if any(f"No {number}" in chunk for chunk in chunks)]
    assert len(found) == 60


def test_long_sentences_do_not_overlap() -> None:
    chunks = overlapping_chunks("A" * 50 + ". " + "B" * 50 + ". " + "C" * 50 + ".", 60, characters)
    assert [chunk[0] for chunk in chunks] == ["A", "B", "C"]
