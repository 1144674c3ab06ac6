"""Long texts are read in parts, with the tokens and the count of the whole text."""

import random
from collections.abc import Iterator
from functools import cache

import pytest
from tokenizers import Tokenizer

from onnx_models.tokenizers.strings import STRINGS
from tests.support.paths import ROOT
from tests.support.tokenizer_kinds import KINDS, TEXTS
from workers.runtime.tokenizing import reading, seams
from workers.runtime.tokenizing.reading import TextReader
from workers.runtime.tokenizing.tokenizer import load_tokenizer

STARTERS = [f"starter-{task}" for task in ("classify", "embed", "generate", "translate", "summarize", "denoise")]
ALL = [*KINDS, *STARTERS]


@cache
def tokenizer_of(name: str) -> Tokenizer:
    if name in KINDS:
        return KINDS[name]()
    return load_tokenizer(ROOT / "onnx_models" / "packages" / name / "tokenizer.json")


@pytest.fixture
def small_parts(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Parts so short that nearly every seam is used; without a seam a text is not cut."""
    for module in (reading, seams):
        monkeypatch.setattr(module, "WINDOW", 12)
    monkeypatch.setattr(seams, "MAX_WINDOW", 10**9)
    return


def whole(tokenizer: Tokenizer, text: str) -> list[int]:
    return list(tokenizer.encode(text, add_special_tokens=False).ids)


def long_texts() -> list[str]:
    """Return texts of many scripts and of hostile characters, each with a hundred seams or none."""
    rng = random.Random(11)
    samples = [text for text in [*STRINGS, *TEXTS] if "\ud800" not in text]
    mixed = [" ".join(rng.choices(samples, k=8)) for _ in range(150)]
    glued = ["".join(rng.choices(samples, k=8)) for _ in range(100)]
    words = [
        "w",
        "eng_Latn",
        "a",
        "the",
        "don't",
        "[MASK]",
        "<mask>",
        "</s>",
        "é",
        "e\u0301",
        "하",
        "ก็",
        "1",
        "x.",
        ",y",
    ]
    spaces = [" ", " ", " ", "  ", "\n", "", "\xa0", "▁"]
    spaced = ["".join(rng.choice(words) + rng.choice(spaces) for _ in range(60)) for _ in range(300)]
    return [*samples, *mixed, *glued, *spaced]


@pytest.mark.usefixtures("small_parts")
@pytest.mark.parametrize("name", ALL)
def test_parts_have_the_tokens_of_the_whole(name: str) -> None:
    tokenizer = tokenizer_of(name)
    reader = TextReader(tokenizer)
    num_parts = 0
    for text in long_texts():
        ids = whole(tokenizer, text)
        num_parts += len([*reader._seams.parts(text)])
        for keep in (1, 7, 10**6):
            (right,), (left,) = reader.read([text], keep, "right"), reader.read([text], keep, "left")
            assert right == (ids[:keep], len(ids), True), text
            assert left == (ids[-keep:], len(ids), True), text
        (refused,) = reader.read([text], 3, "error")
        assert refused.num_tokens > 3 if len(ids) > 3 else refused == (ids, len(ids), True)
        assert refused.num_tokens == len(ids) or not refused.is_complete
    has_seams = reader._seams._num_dropped is not None
    assert has_seams == (name not in ("crossing", "marian", "m2m100-bpe")), "whether it has seams"
    assert not has_seams or num_parts > 4 * len(STRINGS)


def test_texts_of_any_length_share_a_call_and_keep_their_order() -> None:
    reader = TextReader(tokenizer_of("bert"))
    texts = [("word " * length).strip() for length in (1, 5000, 2, 0, 9000, 3, 1700, 1700, 1)] + ["x"] * 600
    assert reader.count(texts) == [len(whole(tokenizer_of("bert"), text)) for text in texts]


def test_a_text_without_a_seam_is_cut_at_a_fixed_length() -> None:
    reader = TextReader(tokenizer_of("gpt-2"))
    text = "!?" * 100_000
    parts = [*reader._seams.parts(text)]
    assert "".join(parts) == text and max(map(len, parts)) == seams.MAX_WINDOW
    # The first tokens are those of the whole text all the same.
    (tokens,) = reader.read([text], 512, "right")
    assert tokens.ids == whole(tokenizer_of("gpt-2"), text)[:512]


def test_a_text_that_is_refused_is_not_read_to_its_end() -> None:
    reader = TextReader(tokenizer_of("bert"))
    calls: list[None] = []
    (tokens,) = reader.read(["word " * 1_000_000], 100, "error", lambda: calls.append(None))
    assert 100 < tokens.num_tokens < 10_000 and not tokens.is_complete and not calls


def test_reading_stops_when_the_check_raises() -> None:
    reader = TextReader(tokenizer_of("bert"))
    seen = 0

    def check() -> None:
        nonlocal seen
        seen += 1
        if seen == 3:
            raise TimeoutError

    with pytest.raises(TimeoutError):
        list(reader.read(["word " * 1_000_000], 100, "right", check))
    with pytest.raises(TimeoutError):
        seen = 0
        reader.count(["word " * 1000] * 100, check)
    assert seen == 3
