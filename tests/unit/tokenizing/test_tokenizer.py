"""Tokenized inputs: truncation is counted, and cuts exactly what the `tokenizers` library would cut."""

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer as FastTokenizer

from contracts.errors import InputTooLong, InvalidRequest
from contracts.model_package.package import PackageError
from contracts.shapes import TextPair
from tests.support.tiny_package import tokenizer_json
from workers.runtime.tokenizing.tokenizer import Tokenizer

CLS, SEP = 2, 3
texts = (
    st.integers(1, 40)
    .flatmap(lambda num_words: st.lists(st.integers(0, 95), min_size=num_words, max_size=num_words))
    .map(lambda numbers: " ".join(f"w{number}" for number in numbers))
)
directions = st.sampled_from(["left", "right"])


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tokenizer") / "tokenizer.json"
    path.write_text(tokenizer_json())
    return path


def words(num_words: int, start: int = 0) -> str:
    return " ".join(f"w{(start + index) % 96}" for index in range(num_words))


def ids(*numbers: int) -> list[int]:
    return [CLS, *(number + 4 for number in numbers), SEP]


def library_answer(file: Path, text: Any, max_tokens: int, direction: str) -> tuple[list[int], list[int]]:
    """Return token ids and type ids as the library's own truncation cuts them."""
    library = FastTokenizer.from_file(str(file))
    library.enable_truncation(max_tokens, strategy="longest_first", direction=direction)
    encoding = library.encode(*([text] if isinstance(text, str) else text))
    return encoding.ids, encoding.type_ids


@given(texts, st.integers(3, 45), directions)
def test_one_text_is_cut_as_the_library_cuts_it(file: Path, text: str, max_tokens: int, direction: Any) -> None:
    (row,) = Tokenizer(file, max(max_tokens, 5)).rows([text], direction)
    assert (row.token_ids.tolist(), row.type_ids.tolist()) == library_answer(file, text, max(max_tokens, 5), direction)
    assert row.tokens_in == len(text.split()) + 2
    assert row.length == min(row.tokens_in, max(max_tokens, 5))


@given(texts, texts, st.integers(5, 85), directions)
def test_a_pair_is_cut_as_the_library_cuts_it(
    file: Path, first: str, second: str, max_tokens: int, direction: Any
) -> None:
    (row,) = Tokenizer(file, max_tokens).rows([TextPair(text=first, text_pair=second)], direction)
    assert (row.token_ids.tolist(), row.type_ids.tolist()) == library_answer(
        file, (first, second), max_tokens, direction
    )
    assert row.tokens_in == len(first.split()) + len(second.split()) + 3
    assert row.length == min(row.tokens_in, max_tokens), "a truncated pair must use all tokens of the limit"


@pytest.mark.parametrize(("direction", "kept"), [("right", ids(0, 1, 2)), ("left", ids(3, 4, 5))])
def test_truncation_cuts_the_named_end_and_counts_all_tokens(
    file: Path, direction: Literal["left", "right"], kept: list[int]
) -> None:
    (row,) = Tokenizer(file, 5).rows([words(6)], direction)
    assert row.token_ids.tolist() == kept
    assert (row.tokens_in, row.length) == (8, 5)


def test_a_long_input_is_refused_by_its_index_unless_it_may_be_truncated(file: Path) -> None:
    with pytest.raises(InputTooLong, match=r"inputs\[2\] has 12 tokens; the model takes 8") as caught:
        Tokenizer(file, 8).rows([words(6), words(1), words(10), words(99)], "error")
    assert caught.value.param == "inputs[2]"


def test_an_input_that_just_fits_is_not_touched(file: Path) -> None:
    for policy in ("error", "left", "right"):
        (row,) = Tokenizer(file, 8).rows([words(6)], policy)  # type: ignore[arg-type]
        assert row.token_ids.tolist() == ids(0, 1, 2, 3, 4, 5)


def test_truncation_and_padding_set_in_the_file_are_ignored(tmp_path: Path) -> None:
    library = FastTokenizer.from_str(tokenizer_json())
    library.enable_truncation(6, stride=1, direction="left")
    library.enable_padding(length=32, pad_id=0)
    library.save(str(tmp_path / "tokenizer.json"))
    assert json.loads((tmp_path / "tokenizer.json").read_text())["truncation"]["max_length"] == 6

    rows = Tokenizer(tmp_path / "tokenizer.json", 20).rows([words(10), words(1)], "error")
    assert [row.token_ids.tolist() for row in rows] == [ids(*range(10)), ids(0)]


@pytest.mark.parametrize("max_tokens", [1, 2, 4])
def test_a_limit_without_room_for_text_is_refused_when_the_model_is_loaded(file: Path, max_tokens: int) -> None:
    with pytest.raises(PackageError, match="leaves no room"):
        Tokenizer(file, max_tokens)


def test_the_smallest_limit_keeps_one_token_of_each_text(file: Path) -> None:
    smallest = Tokenizer(file, 5)
    (row,) = smallest.rows([TextPair(text=words(9), text_pair=words(9, 50))], "right")
    assert row.token_ids.tolist() == [CLS, 4, SEP, 54, SEP]
    assert row.type_ids.tolist() == [0, 0, 0, 1, 1]


def test_a_text_without_tokens_is_refused_by_its_index(tmp_path: Path) -> None:
    """A tokenizer without special tokens makes no tokens of a text of spaces, and no model can take such an input."""
    (tmp_path / "tokenizer.json").write_text(tokenizer_json(post_processor=None))
    with pytest.raises(InvalidRequest) as caught:
        Tokenizer(tmp_path / "tokenizer.json", 8).rows(["w1", "\u2003 \u2003"], "right")
    assert caught.value.param == "inputs[1]"


@pytest.mark.parametrize("content", ["", "{}", "not json", '{"version": "1.0"}'])
def test_a_file_that_is_no_tokenizer_is_refused_by_name(tmp_path: Path, content: str) -> None:
    (tmp_path / "tokenizer.json").write_text(content)
    with pytest.raises(PackageError, match=r"tokenizer\.json: not a tokenizer"):
        Tokenizer(tmp_path / "tokenizer.json", 8)


def test_sixteen_threads_share_one_tokenizer(file: Path) -> None:
    shared = Tokenizer(file, 12)

    def job(seed: int) -> None:
        for part in range(60):
            num_words = (seed + part) % 30 + 1
            policy: Any = "left" if part % 2 else "right"
            plain, pair = shared.rows(
                [words(num_words, seed), TextPair(text=words(num_words, seed), text_pair="w7")], policy
            )
            assert plain.token_ids.tolist() == library_answer(file, words(num_words, seed), 12, policy)[0]
            assert pair.token_ids.tolist() == library_answer(file, (words(num_words, seed), "w7"), 12, policy)[0]
            assert shared.rows(["w1 w2"], "error")[0].token_ids.tolist() == ids(1, 2)

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(job, range(16)))
