"""Tokenizers that make a short text cost minutes or gigabytes are refused before anything loads them."""

import json
import resource
from pathlib import Path
from typing import Any

import pytest

from contracts.model_package.package import PackageError
from tests.support.paths import STARTERS
from tests.support.tiny_package import tokenizer_json
from workers.runtime.tokenizing import probing
from workers.runtime.tokenizing.tokenizer import load_tokenizer

GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
LLAMA3 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|"
    r"\s+(?!\S)|\s+"
)


def replace(pattern: str, content: str, kind: str = "Regex") -> dict[str, Any]:
    return {"type": "Replace", "pattern": {kind: pattern}, "content": content}


def sequence(*normalizers: dict[str, Any]) -> dict[str, Any]:
    return {"type": "Sequence", "normalizers": list(normalizers)}


def split(pattern: str) -> dict[str, Any]:
    return {"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": False}


def word_piece(longest_word: int) -> dict[str, Any]:
    return {
        "type": "WordPiece", "vocab": {"[PAD]": 0, "[UNK]": 1, "a": 2, "##a": 3}, "unk_token": "[UNK]",
        "continuing_subword_prefix": "##", "max_input_chars_per_word": longest_word,
    }  # fmt: skip


TOO_MUCH = "takes too much time or memory"
HOSTILE: dict[str, tuple[dict[str, Any], str]] = {
    "exponential": ({"normalizer": replace("(a+)+$", "b")}, "fails on a text of repeated 'a'"),
    "quadratic": ({"normalizer": replace(r"\s+$", "")}, "times as long for 4 times the text"),
    "quadratic in characters of its own": ({"normalizer": replace("[qz]+#", "")}, "text of repeated 'q'"),
    "a splitter": ({"pre_tokenizer": split("[qz]+#")}, "times as long for 4 times the text"),
    "doubling": ({"normalizer": sequence(*[replace("q", "qqqqqqqq", "String")] * 12)}, TOO_MUCH),
    "growth": ({"normalizer": replace("e", "e" * 40, "String")}, "makes .* characters of"),
    "a beginning": ({"normalizer": {"type": "Prepend", "prepend": "x" * 1_000_000}}, "makes .* characters of"),
    "growth from nothing": ({"normalizer": replace("", "x" * 50)}, "makes .* characters of"),
    "long words": ({"model": word_piece(10**9)}, TOO_MUCH),
    "a decoder": ({"decoder": replace("w", "w" * 1000, "String")}, "the decoder makes"),
}
ORDINARY: dict[str, dict[str, Any]] = {
    "spaces": {"normalizer": sequence(replace(" {2,}", " "), replace("``", '"', "String"), {"type": "NFKC"})},
    "GPT-2": {"pre_tokenizer": split(GPT2)},
    "Llama 3": {"normalizer": {"type": "NFC"}, "pre_tokenizer": split(LLAMA3)},
    "BERT": {"model": word_piece(100)},
}


def write(folder: Path, parts: dict[str, Any]) -> Path:
    file = folder / "tokenizer.json"
    file.write_text(tokenizer_json(**parts))
    return file


@pytest.fixture
def small_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sets a quarter of the usual limits, because hostile tokenizers use all that they may."""
    monkeypatch.setattr(probing, "MEMORY_BYTES", probing.MEMORY_BYTES // 4)
    monkeypatch.setattr(probing, "PROBE_CPU_S", probing.PROBE_CPU_S / 4)


@pytest.mark.parametrize("case", HOSTILE)
def test_a_tokenizer_that_costs_too_much_is_refused_with_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest, case: str
) -> None:
    parts, message = HOSTILE[case]
    if message == TOO_MUCH:
        request.getfixturevalue("small_limits")
    else:  # on any machine there is time to find out what is wrong
        monkeypatch.setattr(probing, "PROBE_CPU_S", 60.0)
    with pytest.raises(PackageError, match=message) as caught:
        load_tokenizer(write(tmp_path, parts))
    assert "\n" not in str(caught.value) and str(tmp_path) in str(caught.value)


@pytest.mark.parametrize("kind", ["BPE", "WordPiece"])
def test_a_token_without_end_is_refused(tmp_path: Path, kind: str) -> None:
    """A token for unknown characters is copied for each of them: 8,192 characters took 800 MB with one of 100 KB."""
    unknown = "u" * 100_000
    model = word_piece(100) if kind == "WordPiece" else {"type": "BPE", "merges": []}
    model |= {"vocab": {"a": 0, unknown: 1}, "unk_token": unknown}
    with pytest.raises(PackageError, match="has a token of 100000 characters"):
        load_tokenizer(write(tmp_path, {"model": model, "post_processor": None, "added_tokens": []}))


def test_a_file_of_many_nested_parts_is_read_without_recursion(tmp_path: Path) -> None:
    """The call stack of Python ended the worker with a trace, before the library could refuse the file."""
    nested: dict[str, Any] = {"type": "Lowercase"}
    for _ in range(300):
        nested = sequence(nested)
    with pytest.raises(PackageError, match="not a tokenizer"):
        load_tokenizer(write(tmp_path, {"normalizer": nested}))


@pytest.mark.parametrize("case", ORDINARY)
def test_an_ordinary_tokenizer_is_taken(tmp_path: Path, case: str) -> None:
    assert load_tokenizer(write(tmp_path, ORDINARY[case])).encode("a").ids


@pytest.mark.usefixtures("small_limits")
def test_the_worker_itself_spends_neither_the_time_nor_the_memory(tmp_path: Path) -> None:
    parts, _ = HOSTILE["doubling"]
    before = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    with pytest.raises(PackageError):
        load_tokenizer(write(tmp_path, parts))
    after = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    own_s, child_s = (end.ru_utime - start.ru_utime for start, end in zip(before, after, strict=True))
    assert own_s < child_s / 4
    assert (after[0].ru_maxrss - before[0].ru_maxrss) * 1024 < probing.MEMORY_BYTES / 16


def test_only_what_a_package_can_program_is_tried(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process for each of the many tokenizers without such parts would be a waste."""
    monkeypatch.setattr(probing, "start_confined", None)
    probing.check_tokenizer(write(tmp_path, {}))
    probing.check_tokenizer(STARTERS / "starter-embed" / "tokenizer.json")
    with pytest.raises(TypeError):
        probing.check_tokenizer(write(tmp_path, ORDINARY["GPT-2"]))


@pytest.mark.parametrize("content", ["", "{", "[]", '{"normalizer": ' + "[" * 100_000, json.dumps({"normalizer": 1})])
def test_a_file_that_is_no_tokenizer_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "tokenizer.json").write_text(content)
    with pytest.raises(PackageError, match="not a tokenizer"):
        load_tokenizer(tmp_path / "tokenizer.json")


def test_the_pieces_of_a_package_are_tried_with_its_tokenizer(tmp_path: Path) -> None:
    """Their rules are a table in which a hostile author can write anything, such as a long text for a space."""
    write(tmp_path, {})
    (tmp_path / "pieces.json").write_text(json.dumps({"algorithm": "unigram"}))
    with pytest.raises(PackageError, match="not a tokenizer"):
        load_tokenizer(tmp_path / "tokenizer.json")
