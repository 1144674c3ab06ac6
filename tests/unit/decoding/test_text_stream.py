"""A text decoded token by token equals the text decoded at once, and never ends inside a character."""

import json
from collections.abc import Callable, Iterator
from itertools import chain
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer

from tests.support import tiny_tokenizers
from workers.runtime.decoding.text.text_stream import TextStream, Vocabulary
from workers.runtime.tokenizing.sentencepiece import open_tokenizer

BUILT = {build.__name__: build() for build in tiny_tokenizers.BUILDS}
FALLBACK = BUILT["byte_fallback"]
_FIRST_BYTE = FALLBACK.token_to_id("<0x00>")

fixed = settings(derandomize=True, deadline=None, max_examples=300)


def deltas_of(tokenizer: Tokenizer, prompt: list[int], answer: list[int]) -> list[str]:
    stream = TextStream(tokenizer, np.array(prompt, np.int64))
    return [*(stream.add(token_id) for token_id in answer), stream.end()]


def byte_tokens(text: str) -> list[int]:
    """Return the bytes of a text as tokens of the byte fallback tokenizer."""
    return [_FIRST_BYTE + byte for byte in text.encode()]


def tokens(tokenizer: Tokenizer) -> st.SearchStrategy[list[int]]:
    """Any token ids, also special and unknown ones; with byte fallback, byte tokens only of whole characters."""
    if tokenizer is not FALLBACK:
        return st.lists(st.integers(0, tokenizer.get_vocab_size() + 2), max_size=60)
    piece = st.integers(_FIRST_BYTE + 256, tokenizer.get_vocab_size() + 2) | st.integers(0, 2)
    character = st.sampled_from("éñ日本😀नa ").map(byte_tokens)
    parts = st.lists(character | piece.map(lambda id_: [id_]), max_size=40)
    return parts.map(lambda lists: list(chain.from_iterable(lists)))


@pytest.mark.parametrize("name", BUILT)
@given(data=st.data())
@fixed
def test_the_deltas_add_up_to_what_the_output_adds_to_the_prompt(name: str, data: st.DataObject) -> None:
    tokenizer = BUILT[name]
    prompt, answer = data.draw(tokens(tokenizer)), data.draw(tokens(tokenizer))
    before, full = tokenizer.decode(prompt), tokenizer.decode(prompt + answer)
    assume(full.startswith(before))  # false if the prompt ends inside a character
    assert "".join(deltas_of(tokenizer, prompt, answer)) == full[len(before) :]


@pytest.mark.parametrize("name", BUILT)
@given(text=st.text(max_size=80), prompt=st.sampled_from(["", "the cat", "日本 😀"]))
@fixed
def test_no_delta_ends_inside_a_character(name: str, text: str, prompt: str) -> None:
    assume("\ufffd" not in text)
    tokenizer = BUILT[name]
    assert "\ufffd" not in "".join(deltas_of(tokenizer, tokenizer.encode(prompt).ids, tokenizer.encode(text).ids))


@pytest.mark.parametrize("tokens_of", [byte_tokens, lambda text: [byte_id(byte) for byte in text.encode()]])
def test_a_character_is_shown_when_its_last_byte_arrives(tokens_of: Callable[[str], list[int]]) -> None:
    tokenizer = FALLBACK if tokens_of is byte_tokens else BUILT["byte_level"]
    text = "aé日😀नमस्ते👩‍👩‍👧本語の文" * 3
    shown = [delta for delta in deltas_of(tokenizer, tokens_of("x"), tokens_of(text)) if delta]
    assert shown == list(text)


def byte_id(byte: int) -> int:
    """Return the id of a byte in the byte-level tokenizer, which has the byte's character or one from U+0100 on."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [other for other in range(256) if other not in printable]
    character = chr(byte if byte in printable else 256 + others.index(byte))
    id_: int = BUILT["byte_level"].token_to_id(character)
    return id_


def test_the_leading_space_of_the_output_is_kept() -> None:
    for name, word in (("byte_fallback", "▁cat"), ("metaspace", "▁e"), ("word_pieces", "line"), ("whole_words", "on")):
        tokenizer = BUILT[name]
        token_id = tokenizer.token_to_id(word)
        text = " " + word.strip("▁")
        assert deltas_of(tokenizer, [token_id], [token_id]) == [text, ""]
        special = next(id_ for id_, token in tokenizer.get_added_tokens_decoder().items() if token.special)
        assert deltas_of(tokenizer, [token_id] + [special] * 40, [special, token_id]) == ["", text, ""]
        assert "".join(deltas_of(tokenizer, [special], [token_id, token_id])) == text.strip() + text


def test_a_space_that_depends_on_the_next_word_is_not_shown_before_it() -> None:
    tokenizer = BUILT["word_ends"]
    line = tokenizer.token_to_id("line</w>")
    assert deltas_of(tokenizer, [], [line, line]) == ["line", " line", ""]


def test_a_character_begun_in_the_prompt_and_completed_in_the_output_belongs_to_the_output() -> None:
    first, *rest = (byte_id(byte) for byte in "日".encode())
    a = byte_id(ord("a"))
    assert deltas_of(BUILT["byte_level"], [a, first], [*rest, a]) == ["", "日", "a", ""]
    assert deltas_of(BUILT["byte_level"], [a, first], [a]) == ["a", ""]
    piece = FALLBACK.token_to_id("s")
    assert deltas_of(FALLBACK, [piece, *byte_tokens("日")[:1]], [*byte_tokens("日")[1:], piece]) == ["", "日", "s", ""]


def test_invalid_bytes_become_replacement_characters() -> None:
    a, first = byte_id(ord("a")), byte_id(0xE6)
    assert deltas_of(BUILT["byte_level"], [a], [a, first]) == ["a", "", "\ufffd"]
    assert deltas_of(BUILT["byte_level"], [a], [first, a]) == ["", "\ufffda", ""]


def test_an_invalid_run_of_byte_tokens_does_not_change_what_was_shown() -> None:
    """`decode` replaces all bytes of such a run by U+FFFD, also the valid ones that were already shown."""
    wrong, piece = _FIRST_BYTE + 0xFF, FALLBACK.token_to_id("s")
    for num_wrong in (1, 6, 40):
        answer = [*byte_tokens("日本"), *[wrong] * num_wrong, piece]
        assert "".join(deltas_of(FALLBACK, [piece], answer)) == "日本" + "\ufffd" * num_wrong + "s"
    assert "".join(deltas_of(FALLBACK, [piece], byte_tokens("日本")[:5])) == "日\ufffd\ufffd"


def test_the_deltas_are_the_same_with_a_sentencepiece_model(tmp_path: Path) -> None:
    BUILT["metaspace"].save(str(tmp_path / "tokenizer.json"))
    scores = {piece: -1.0 for piece in BUILT["metaspace"].get_vocab()}
    model = {"algorithm": "unigram", "scores": scores, "add_dummy_prefix": True, "remove_extra_whitespaces": True}
    (tmp_path / "pieces.json").write_text(json.dumps(model))
    tokenizer = open_tokenizer(tmp_path / "tokenizer.json")
    ids = tokenizer.encode("the cat sat").ids
    assert "".join(deltas_of(tokenizer, ids, ids)) == " the cat sat"
    assert Vocabulary(tokenizer).text(ids[0])


class CountingTokenizer:
    """A tokenizer that records the largest number of tokens that it had to decode at once."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        self.max_decoded = 0

    def decode(self, ids: list[int], *, skip_special_tokens: bool) -> str:
        self.max_decoded = max(self.max_decoded, len(ids))
        text: str = self._tokenizer.decode(ids, skip_special_tokens=skip_special_tokens)
        return text


def _outputs_without_a_safe_end() -> Iterator[tuple[str, list[int]]]:
    yield "byte_level", [byte_id(0xFF)] * 500
    yield "byte_level", [byte_id(0xE6), *[0] * 500]
    yield "byte_level", [byte_id(byte) for byte in "日".encode()] * 200
    yield "byte_fallback", [_FIRST_BYTE + 0xFF] * 500
    yield "byte_fallback", byte_tokens("日" * 200)
    yield "byte_fallback", [FALLBACK.token_to_id("▁")] * 500
    yield "metaspace", [0, 1, 2, 999] * 100


@pytest.mark.parametrize(("name", "answer"), list(_outputs_without_a_safe_end()))
def test_the_work_for_a_token_does_not_grow_with_the_text(name: str, answer: list[int]) -> None:
    counting = CountingTokenizer(BUILT[name])
    stream = TextStream(counting, np.array([5], np.int64))
    for token_id in answer:
        stream.add(token_id)
    assert counting.max_decoded < 32


def test_the_text_of_a_single_token_has_its_leading_space() -> None:
    expected = {"byte_level": ("Ġ", " "), "byte_fallback": ("▁cat", " cat"), "word_pieces": ("line", " line")}
    for name, (token, text) in expected.items():
        vocabulary = Vocabulary(BUILT[name])
        assert vocabulary.text(BUILT[name].token_to_id(token)) == text
        assert vocabulary.text(99_999) == ""
    names = Vocabulary(FALLBACK)
    assert (names.text(1), names.is_special(1)) == ("<s>", True)
    assert (names.text(_FIRST_BYTE + 0xE6), names.is_special(_FIRST_BYTE)) == ("\ufffd", False)
    assert Vocabulary(BUILT["byte_level"]).text(byte_id(0xE6)) == "\ufffd"
    pieces = Vocabulary(BUILT["word_pieces"])
    continuation = next(id_ for token, id_ in BUILT["word_pieces"].get_vocab().items() if token.startswith("##"))
    assert not pieces.text(continuation).startswith(("#", " "))
