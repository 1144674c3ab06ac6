"""From inputs to prompts: special tokens, truncation, room for generated tokens, and inputs that are refused."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from contracts.errors import InputTooLong, InvalidRequest
from contracts.generation import GenerateRequest
from tests.support.tiny_package import WORDS, tokenizer_json
from workers.decoder.chat import ChatTemplate
from workers.decoder.prompts import Prompt, Prompts
from workers.runtime.tokenizing.sentencepiece import open_tokenizer

MAX_TOKENS = 20
TEMPLATE = "{% for m in messages %}{{ m.content }} {% endfor %}"


@pytest.fixture(scope="module")
def prompts(tmp_path_factory: pytest.TempPathFactory) -> Prompts:
    """Prompts `[CLS] text [SEP]` of a chat model whose graph knows 90 of its tokenizer's 100 words."""
    file = tmp_path_factory.mktemp("tokenizer") / "tokenizer.json"
    file.write_text(tokenizer_json())
    return Prompts(open_tokenizer(file), ChatTemplate(TEMPLATE, {}), max_tokens=MAX_TOKENS, vocab_size=90)


def prompts_of(prompts: Prompts, inputs: Any, **parameters: Any) -> list[Prompt]:
    return prompts.of(msgspec.convert({"inputs": inputs, "parameters": parameters}, GenerateRequest))


def words(prompt: Prompt) -> str:
    return " ".join(WORDS[number] for number in prompt.token_ids)


def chat(*texts: str) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": text} for text in texts]}


def numbered(size: int) -> str:
    return " ".join(f"w{number}" for number in range(size))


def refused(prompts: Prompts, inputs: Any, **parameters: Any) -> InvalidRequest:
    with pytest.raises(InvalidRequest) as caught:
        prompts_of(prompts, inputs, **parameters)
    return caught.value


def test_special_tokens_are_added_to_texts_but_not_to_conversations(prompts: Prompts) -> None:
    text, conversation, other = prompts_of(prompts, ["w1 w2", chat("w3", "w4"), "w5"])
    assert (words(text), text.text, text.tokens_in) == ("[CLS] w1 w2 [SEP]", "w1 w2", 4)
    assert (words(conversation), conversation.text, conversation.tokens_in) == ("w3 w4", "w3 w4 ", 2)
    assert words(other) == "[CLS] w5 [SEP]"


def test_max_new_tokens_is_what_was_requested_or_what_the_prompt_leaves(prompts: Prompts) -> None:
    assert prompts_of(prompts, "w1", max_new_tokens=17)[0].max_new_tokens == 17
    assert prompts_of(prompts, "w1")[0].max_new_tokens == 17
    assert prompts_of(prompts, numbered(17))[0].max_new_tokens == 1


@pytest.mark.parametrize(
    ("size", "parameters", "expected"),
    [
        (18, {}, ["20 tokens", "at least one more", "takes 20 together"]),
        (4, {"max_new_tokens": 15}, ["6 tokens", "asks for 15 more", "takes 20 together"]),
    ],
)
def test_an_input_that_is_too_long_is_refused_with_its_number_of_tokens(
    prompts: Prompts, size: int, parameters: dict[str, Any], expected: list[str]
) -> None:
    error = refused(prompts, ["w1", numbered(size)], **parameters)
    assert isinstance(error, InputTooLong) and error.param == "inputs[1]"
    assert all(words in error.message for words in expected), error.message
    assert refused(prompts, numbered(size), **parameters).param == "inputs"
    assert refused(prompts, chat(numbered(size + 2)), **parameters).param == "inputs.messages"


@pytest.mark.parametrize("max_new_tokens", [20, 21, 1_000_000])
def test_max_new_tokens_that_leaves_no_room_for_a_prompt_is_refused(prompts: Prompts, max_new_tokens: int) -> None:
    error = refused(prompts, "w1", max_new_tokens=max_new_tokens, truncate="left")
    assert error.param == "parameters.max_new_tokens" and "takes 20 tokens" in error.message


def test_a_long_input_is_truncated_on_the_requested_side(prompts: Prompts) -> None:
    text = numbered(50)
    (left,) = prompts_of(prompts, text, max_new_tokens=15, truncate="left")
    assert (words(left), left.tokens_in, left.max_new_tokens) == ("[CLS] w47 w48 w49 [SEP]", 52, 15)
    (right,) = prompts_of(prompts, text, max_new_tokens=15, truncate="right")
    assert words(right) == "[CLS] w0 w1 w2 [SEP]"
    (conversation,) = prompts_of(prompts, chat(text), max_new_tokens=17, truncate="left")
    assert (words(conversation), conversation.text) == ("w47 w48 w49", text + " ")
    (half,) = prompts_of(prompts, text, truncate="right")
    assert (len(half.token_ids), half.max_new_tokens) == (10, 10)
    (short,) = prompts_of(prompts, "w1 w2", max_new_tokens=15, truncate="left")
    assert words(short) == "[CLS] w1 w2 [SEP]"


@pytest.mark.parametrize("max_new_tokens", [18, 19])
def test_an_input_is_not_truncated_to_special_tokens_only(prompts: Prompts, max_new_tokens: int) -> None:
    assert isinstance(refused(prompts, numbered(5), max_new_tokens=max_new_tokens, truncate="left"), InputTooLong)


def test_a_prompt_without_tokens_is_refused(prompts: Prompts) -> None:
    error = refused(prompts, ["w1", chat("")])
    assert error.param == "inputs[1].messages" and "no tokens" in error.message


def test_a_token_outside_of_the_graphs_vocabulary_is_refused(prompts: Prompts) -> None:
    prompts_of(prompts, "w85")  # token id 89
    error = refused(prompts, ["w1", "w86"])
    assert error.param == "inputs[1]" and "number 90 of 90" in error.message


def test_a_model_without_a_template_refuses_conversations(tmp_path: Path) -> None:
    file = tmp_path / "tokenizer.json"
    file.write_text(tokenizer_json())
    without_template = Prompts(open_tokenizer(file), None, max_tokens=MAX_TOKENS, vocab_size=100)
    error = refused(without_template, chat("w1"))
    assert (error.http_status, error.param) == (422, "inputs.messages") and "Send a text as inputs" in error.message
