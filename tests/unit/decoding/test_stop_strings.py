"""A text ends at its first stop string, however it is split into tokens, and no part of the stop string is shown."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support import tiny_tokenizers
from workers.runtime.decoding.text.stop_strings import StopStringMatcher
from workers.runtime.decoding.text.text_stream import TextStream

fixed = settings(derandomize=True, deadline=None, max_examples=500)

stop_texts = st.lists(st.text("ab!", min_size=1, max_size=6), max_size=5)
deltas = st.lists(st.text("ab!", max_size=8), max_size=12)


def character_by_character(text: str, stops: list[str]) -> tuple[str, bool]:
    for end in range(len(text) + 1):
        complete = [stop for stop in stops if text[:end].endswith(stop)]
        if complete:
            return text[: end - max(map(len, complete))], True
    return text, False


@given(deltas, stop_texts)
@fixed
def test_a_text_ends_where_a_stop_string_is_complete_however_it_is_split(split: list[str], stops: list[str]) -> None:
    matcher = StopStringMatcher(stops)
    shown = "".join(matcher.add(delta) for delta in split) + matcher.end()
    assert (shown, matcher.stopped) == character_by_character("".join(split), stops)


@given(deltas, stop_texts)
@fixed
def test_only_possible_prefixes_of_a_stop_string_are_held_back(split: list[str], stops: list[str]) -> None:
    matcher, shown, text = StopStringMatcher(stops), "", ""
    for delta in split:
        text += delta
        shown += matcher.add(delta)
        if matcher.stopped:
            return
        beginnings = {stop[:length] for stop in stops for length in range(1, len(stop))}
        held = max((len(start) for start in beginnings if text.endswith(start)), default=0)
        assert shown == text[: len(text) - held]


@pytest.mark.parametrize(
    ("stops", "shown"),
    [
        (["cd"], "ab"),
        (["bc", "bcd"], "a"),
        (["bcd", "bc"], "a"),
        (["abcd", "bc"], "a"),
        (["bcd", "cd"], "a"),
        (["f", "e"], "abcd"),
        (["x"], "abcdef"),
    ],
)
def test_the_first_complete_stop_string_counts_and_of_several_the_longest(stops: list[str], shown: str) -> None:
    for split in (["abcdef"], ["abc", "def"], list("abcdef")):
        matcher = StopStringMatcher(stops)
        assert "".join(matcher.add(delta) for delta in split) + matcher.end() == shown


def test_a_stop_string_is_found_across_tokens_and_the_rest_of_its_token_is_dropped() -> None:
    tokenizer = tiny_tokenizers.byte_level()
    prompt, answer = tokenizer.encode("the cat END").ids, tokenizer.encode(" sat on the mat END, the dog").ids
    stream = TextStream(tokenizer, np.array(prompt, np.int64), (" mat EN", "nowhere"))
    shown = [stream.add(token_id) for token_id in answer]
    assert stream.stopped
    assert "".join(shown) == " sat on the"
    assert stream.add(answer[0]) == stream.end() == ""


def test_held_back_text_is_shown_at_the_end() -> None:
    tokenizer = tiny_tokenizers.byte_level()
    stream = TextStream(tokenizer, np.array([5], np.int64), ("mat END",))
    shown = [stream.add(token_id) for token_id in tokenizer.encode("the mat").ids]
    assert "".join(shown) == "the "
    assert (stream.end(), stream.stopped) == ("mat", False)


def test_a_stop_string_may_have_characters_of_several_tokens() -> None:
    tokenizer = tiny_tokenizers.byte_level()
    stream = TextStream(tokenizer, np.array([5], np.int64), ("😁",))
    shown = [stream.add(token_id) for token_id in tokenizer.encode("a😀b😁c").ids]
    assert ("".join(shown), stream.stopped) == ("a😀b", True)


def test_many_long_stop_strings_hold_back_only_the_longest_prefix() -> None:
    matcher = StopStringMatcher([("a" * length) + "!" for length in range(240, 256)])
    shown = "".join(matcher.add("aaa") for _ in range(1000))
    assert shown == "a" * (3000 - 255)
    assert matcher.add("b") == "a" * 255 + "b"
    assert (matcher.add("a" * 300 + "!"), matcher.stopped) == ("a" * 45, True)
