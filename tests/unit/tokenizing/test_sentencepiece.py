"""SentencePiece models split texts into pieces by score; tests/architectures has tests with real ones."""

import json
from pathlib import Path

import pytest
from tokenizers import Tokenizer, models

from workers.runtime.tokenizing.charsmap import Charsmap
from workers.runtime.tokenizing.sentencepiece import PieceModel, SentencePieces, open_tokenizer

SCORES = {"▁": -3.0, "a": -2.0, "b": -2.5, "ab": -3.0, "▁ab": -5.5, "aba": -6.0}


def pieces(text: str, *, algorithm: str = "unigram", scores: dict[str, float] = SCORES, **options: bool) -> list[str]:
    options = {"add_dummy_prefix": True, "remove_extra_whitespaces": True, **options}
    return SentencePieces(PieceModel(algorithm=algorithm, scores=scores, **options)).pieces(text)  # type: ignore[arg-type]


def test_unigram_takes_the_segmentation_with_the_highest_sum_of_scores() -> None:
    assert pieces("ab") == ["▁ab"]
    assert pieces("aab") == ["▁", "a", "ab"]
    assert pieces("abaab") == ["▁ab", "a", "ab"]


def test_bpe_joins_the_best_pair_first() -> None:
    scores = {"▁": 0.0, "a": 0.0, "b": 0.0, "c": 0.0, "bc": -1.0, "ab": -2.0, "abc": -3.0, "▁a": -4.0}
    assert pieces("abc", algorithm="bpe", scores=scores) == ["▁", "abc"]
    assert pieces("aab", algorithm="bpe", scores=scores) == ["▁a", "ab"]
    assert pieces("babc", algorithm="bpe", scores=scores) == ["▁", "b", "abc"]


@pytest.mark.parametrize("algorithm", ["unigram", "bpe"])
def test_a_run_of_unknown_characters_is_one_piece(algorithm: str) -> None:
    assert pieces("xyazz", algorithm=algorithm) == ["▁", "xy", "a", "zz"]
    assert pieces("x y", algorithm=algorithm) == ["▁", "x", "▁", "y"]


def test_runs_of_spaces_become_one_piece_unless_they_are_kept() -> None:
    assert pieces("  a   b ") == ["▁", "a", "▁", "b"]
    assert pieces("") == pieces("   ") == []
    kept = {"remove_extra_whitespaces": False}
    assert pieces(" a  ", **kept) == ["▁", "▁", "a", "▁", "▁"]
    assert pieces("a", add_dummy_prefix=False) == ["a"]


def test_a_language_code_is_a_piece_only_at_the_start() -> None:
    codes = {"language_codes": True}
    assert pieces(">>fra<< a", **codes) == [">>fra<<", "▁", "a"]
    assert pieces("a >>fra<<", **codes) == ["▁", "a", "▁", ">>fr", "a", "<<"]
    assert pieces(">>fra a", **codes) == ["▁", ">>fr", "a", "▁", "a"]
    assert pieces(">>fra<<", **codes) == [">>fra<<"]


def test_character_rules_that_are_cut_short_are_refused() -> None:
    assert Charsmap(b"").rewrite("é") == "é"
    with pytest.raises(ValueError, match="truncated"):
        Charsmap(b"\x08\0\0\0\0\0\0\0")


def test_ids_come_from_the_table_and_a_piece_that_it_lacks_is_unknown(tmp_path: Path) -> None:
    Tokenizer(models.WordLevel({"<unk>": 0, "a": 7, "▁": 3}, unk_token="<unk>")).save(str(tmp_path / "tokenizer.json"))
    model = {"algorithm": "unigram", "scores": SCORES, "add_dummy_prefix": True, "remove_extra_whitespaces": True}
    (tmp_path / "pieces.json").write_text(json.dumps(model))
    tokenizer = open_tokenizer(tmp_path / "tokenizer.json")
    assert tokenizer.encode("a ab b").ids == [3, 7, 0, 3, 0]
    assert [encoding.ids for encoding in tokenizer.encode_batch_fast(["a", "aa"])] == [[3, 7], [3, 7, 7]]


def test_a_wrong_piece_model_is_refused(tmp_path: Path) -> None:
    Tokenizer(models.WordLevel({"<unk>": 0}, unk_token="<unk>")).save(str(tmp_path / "tokenizer.json"))
    (tmp_path / "pieces.json").write_text('{"algorithm": "word"}')
    with pytest.raises(ValueError, match="algorithm"):
        open_tokenizer(tmp_path / "tokenizer.json")
