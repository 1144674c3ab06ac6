"""The corpus of the starter corrector: each error can be undone in one way, and the held-out set is unseen."""

import random
from collections import Counter
from itertools import pairwise

import pytest
from tokenizers import Tokenizer

from onnx_models.starter.denoise import error_kinds
from onnx_models.starter.denoise.corpus import held_out_examples, training_example
from onnx_models.starter.denoise.dictionary import (
    LETTER_ERRORS,
    WORD,
    derived_words,
    first_words,
    is_like_a_word,
    is_word,
    known_words,
    misspellings,
    neighbours,
)
from onnx_models.starter.denoise.error_kinds import ErrorKind
from onnx_models.starter.denoise.sentences import random_sentence, random_words
from onnx_models.starter.denoise.tokenizer import END, make_tokenizer
from onnx_models.starter.denoise.typing_errors import ERROR_KINDS, is_held_out_misspelling, misspell, with_errors
from onnx_models.starter.denoise.unknown_words import unknown_word, with_blends

SENTENCE = "Anna put the blue lamp in the kitchen, on Friday."


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return make_tokenizer()


def all_drafts(kind: ErrorKind, sentence: str = SENTENCE) -> set[str]:
    return {with_errors(sentence, 1, random.Random(seed), kinds={kind: 1}) for seed in range(300)}


def test_examples_are_the_same_each_time() -> None:
    first, second = ([training_example(random.Random(seed)) for seed in range(300)] for _ in range(2))

    assert first == second
    assert held_out_examples(50, 3) == held_out_examples(50, 3)
    assert held_out_examples(50, 3) != held_out_examples(50, 4)


def test_the_held_out_set_is_not_trained_on() -> None:
    rng = random.Random(4)
    trained = {random_sentence(rng) for _ in range(20_000)}

    for examples in (held_out_examples(300, 1), held_out_examples(300, 2, misspellings_held_out=True)):
        assert len({example.target for example in examples}) == 300
        assert not trained & {example.target for example in examples}


def test_misspellings_that_are_held_out_are_never_trained_on() -> None:
    def misspelt(source: str, target: str) -> set[tuple[str, str]]:
        pairs = zip(WORD.findall(target), WORD.findall(source), strict=True)
        return {(word, text) for word, text in pairs if word != text}

    rng = random.Random(5)
    kinds: dict[ErrorKind, float] = {misspell: 1}
    rights = [random_sentence(rng) for _ in range(2000)]
    trained = {
        pair for right in rights for pair in misspelt(with_errors(right, 2, rng, kinds=kinds, held_out=False), right)
    }
    unseen = {pair for example in held_out_examples(300, 2, misspellings_held_out=True) for pair in misspelt(*example)}

    assert len(trained) > 2000
    assert len(unseen) > 300
    assert not any(is_held_out_misspelling(*pair) for pair in trained)
    assert all(is_held_out_misspelling(*pair) for pair in unseen)


def test_no_misspelling_is_a_word_or_comes_from_two() -> None:
    makers: Counter[str] = Counter()
    for word in known_words():
        texts = {text.lower() for made in misspellings(word).values() for text in made}
        assert not any(is_word(text) for text in texts), word
        makers.update(texts)

    assert len(makers) > 40_000
    assert set(makers.values()) == {1}


def test_no_misspelling_is_another_word_with_letters_swapped_doubled_or_left_out() -> None:
    """The same with a second implementation of the edits."""
    edits: dict[str, set[str]] = {}
    for word in known_words():
        small = word.lower()
        for at in range(1, len(small)):
            swapped = small[:at] + small[at : at + 2][::-1] + small[at + 2 :]
            for text in (swapped, small[:at] + small[at + 1 :], small[:at] + small[at] + small[at:]):
                if len(small) > 2 and "'" not in small:
                    edits.setdefault(text, set()).add(word)

    for word in known_words():
        for texts in misspellings(word).values():
            for text in texts:
                assert edits.get(text.lower(), set()) <= {word}, (word, text)


@pytest.mark.parametrize(
    ("error", "some", "none"),
    [
        ("neighbour", {"kirchen", "kitcyen"}, {"kipchen", "kitche"}),
        ("swapped", {"ktichen", "kitchne"}, {"ikthcen", "iktchen"}),
        ("doubled", {"kitcheen", "kkitchen"}, {"kitchen"}),
        ("left_out", {"kichen", "kitche"}, {"itchen", "kitche n"}),
        ("slipped", {"kitfchen", "kitchenm"}, {"kitwchen"}),
    ],
)
def test_letter_errors_are_what_their_names_say(error: str, some: set[str], none: set[str]) -> None:
    texts = set(misspellings("kitchen")[error])

    assert some <= texts
    assert not none & texts


def test_a_text_between_two_words_is_a_misspelling_of_neither() -> None:
    assert set(LETTER_ERRORS) >= set(misspellings("cat"))
    assert "caf" not in {text for texts in misspellings("cat").values() for text in texts}
    assert "form" not in {text for texts in misspellings("from").values() for text in texts}
    assert misspellings("don't") == {"left_out": ("dont",)}
    assert misspellings("let's") == {}, "lets is a word"


def test_keys_have_the_neighbours_that_they_have_on_a_keyboard() -> None:
    assert set(neighbours("g")) == set("fhtyvb")
    assert set(neighbours("a")) == set("qwsz")
    assert set(neighbours("p")) == set("ol")
    assert not neighbours("-")


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (error_kinds.join, "Anna put the bluelamp in the kitchen, on Friday."),
        (error_kinds.double_space, "Anna put the blue  lamp in the kitchen, on Friday."),
        (error_kinds.double_word, "Anna put the blue blue lamp in the kitchen, on Friday."),
        (error_kinds.lose_first_capital, "anna put the blue lamp in the kitchen, on Friday."),
        (error_kinds.hold_shift, "ANna put the blue lamp in the kitchen, on Friday."),
        (error_kinds.lose_capital, "Anna put the blue lamp in the kitchen, on friday."),
        (error_kinds.lose_end, "Anna put the blue lamp in the kitchen, on Friday"),
        (error_kinds.space_before_mark, "Anna put the blue lamp in the kitchen , on Friday."),
        (misspell, "Anna put the blue lamp in the kichen, on Friday."),
    ],
)
def test_each_kind_of_error(kind: ErrorKind, expected: str) -> None:
    drafts = all_drafts(kind)

    assert expected in drafts
    assert SENTENCE not in drafts
    assert kind in ERROR_KINDS


def test_every_error_but_misspellings_can_be_undone_by_marks_and_spaces() -> None:
    for kind in ERROR_KINDS.keys() - {misspell}:
        letters = {draft.lower().replace(" ", "").rstrip(".") for draft in all_drafts(kind)}
        expected = SENTENCE.lower().replace(" ", "").rstrip(".")
        assert all(kind is error_kinds.double_word or text == expected for text in letters), kind


def test_words_are_joined_only_where_one_cut_gives_words() -> None:
    assert all_drafts(error_kinds.join, "He may be in an hour.") >= {"He may be in anhour."}
    assert "Some body came." in all_drafts(error_kinds.join, "Some body came."), "somebody is a word"
    assert all_drafts(error_kinds.join, "Go to day care.") & {"Go today care."} == set()


def test_no_two_errors_touch_one_word_and_unknown_words_are_left_alone() -> None:
    rng = random.Random(6)
    kinds: dict[ErrorKind, float] = {misspell: 1}
    for _ in range(300):
        right = "Zorblatt carried the xqz lamp to Kentumville."
        typed = with_errors(right, 2, rng, kinds=kinds)
        changed = [word for word, text in zip(right.split(), typed.split(), strict=True) if word != text]
        assert len(changed) == 2
        assert set(changed) <= {"carried", "lamp", "the", "to"}


def test_a_sentence_without_errors_stays_as_it_is_and_one_without_room_too() -> None:
    assert with_errors(SENTENCE, 0, random.Random(1)) == SENTENCE
    assert with_errors("Xqz 17", 3, random.Random(1), kinds={misspell: 1}) == "Xqz 17"


def test_sentences_are_well_typed() -> None:
    rng = random.Random(7)
    for text in [random_sentence(rng) for _ in range(2000)] + [random_words(rng) for _ in range(500)]:
        assert text[0] == text[0].upper()
        assert text[-1] in ".?!"
        assert "  " not in text
        assert "{" not in text
        words = text.split()
        assert not any(one == other for one, other in pairwise(words)), text


def test_unknown_words_are_not_like_known_ones() -> None:
    rng = random.Random(8)
    words = [unknown_word(rng) for _ in range(3000)]

    assert not any(word.lower() in {known.lower() for known in known_words()} for word in words)
    assert all(word in derived_words() or not is_like_a_word(word) for word in words)
    assert all(not word[0].islower() for word in (unknown_word(rng, as_name=True) for _ in range(300)))
    assert len(set(words)) > 2500


def test_blends_stand_for_all_words_but_the_first_and_are_no_words() -> None:
    rng = random.Random(9)
    for _ in range(100):
        right = random_sentence(rng)
        first, *others = with_blends(right, 1.0, rng).split(" ")
        for word, text in zip(right.split(" "), [first, *others], strict=True):
            assert (text == word) == (word == first or not (word.isalpha() and word.islower()))
            assert text == word or not (is_word(text) or is_like_a_word(text))
        assert with_blends(right, 0.0, rng) == right


def test_known_words_are_one_token_and_any_text_comes_back(tokenizer: Tokenizer) -> None:
    for word in known_words():
        assert len(tokenizer.encode(f" {word}").ids) == 2, word
    for word in first_words():
        assert len(tokenizer.encode(word).ids) == 2, word
    for text in (SENTENCE, "", "Xylophon-Straße  42,50 €\n漢字 don't DON'T", " \t ", "teh thecat"):
        ids = tokenizer.encode(text).ids
        assert tokenizer.decode(ids[:-1], skip_special_tokens=False) == text
        assert ids[-1] == tokenizer.token_to_id(END)
