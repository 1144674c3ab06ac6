"""Translate, denoise and text2text with a model that repeats in capitals what it reads."""

from typing import Any

import pytest

from contracts.errors import InputTooLong, InvalidRequest
from contracts.jobs import Usage
from contracts.model_package.graphs import Generation
from contracts.model_package.manifest import Limits
from contracts.model_package.tasks import Translate
from contracts.seq2seq import Edit
from tests.support.editing import applied
from tests.unit.seq2seq.fakes import DE, EN, EOS, FR, PAD, SPECIALS, EchoCache, JobRunner, echo
from workers.seq2seq.chunking.joining import ChunkAnswer, PostprocessOptions, join_answers
from workers.seq2seq.chunking.plan import ChunkPlan
from workers.seq2seq.model import Seq2SeqModel

PAGE = "Dear all,\n\n  the cat sat. It slept!  Did it?\n\t* nothing *\n...\nBye (for now). "
LETTER = "A first sentence, not a short one. "


@pytest.fixture(scope="module")
def runner() -> JobRunner:
    return JobRunner()


# -- translate --------------------------------------------------------------------------------------------------------


def test_a_translation_keeps_order_and_white_space(runner: JobRunner) -> None:
    output = runner.run(echo("translate"), PAGE, stream=True)
    assert output == {"translation_text": PAGE.upper(), "finish_reason": "eos_token"}
    assert runner.streamed_text() == PAGE.upper()
    assert runner.usage.chunks == 6 and runner.usage.tokens_in == runner.usage.tokens_used


def test_a_hundred_pages_are_translated_in_order(runner: JobRunner) -> None:
    text = "".join(f"{LETTER}This is number {number}.\n\n" for number in range(400))
    output = runner.run(echo("translate"), text, stream=True)
    assert output["translation_text"] == runner.streamed_text() == text.upper()
    assert runner.usage.chunks == 800


def test_inputs_of_a_list_are_translated_separately(runner: JobRunner) -> None:
    output = runner.run(echo("translate"), ["aa. B.", "---", "c"], stream=True)
    assert [each["translation_text"] for each in output] == ["AA. B.", "---", "C"]
    assert [runner.streamed_text(index) for index in (0, 2)] == ["AA. B.", "C"]
    assert runner.usage == Usage(items=3, tokens_in=9, tokens_used=9, truncated_items=0, tokens_out=9, chunks=3)


def test_a_word_that_does_not_fit_is_split(runner: JobRunner) -> None:
    output = runner.run(echo("translate"), "x" * 5000)
    assert output["translation_text"] == "X" * 5000 and 84 < runner.usage.chunks < 110


def test_a_text_is_encoded_whole_with_another_policy_than_chunk(runner: JobRunner) -> None:
    cache = EchoCache()
    output = runner.run(echo("translate", cache), "A b. C d.\nE ", truncate="error")
    assert output["translation_text"] == "A B. C D.\nE " and len(cache.encoded) == 1
    with pytest.raises(InputTooLong, match=r"61 tokens; the model takes 60.*'chunk'") as refusal:
        runner.run(echo("translate", cache), ["ok", "a" * 60], truncate="error")
    assert refusal.value.param == "inputs[1]"


@pytest.mark.parametrize(("truncate", "expected"), [("right", "A" * 59), ("left", "A" * 56 + "BCD")])
def test_a_text_can_be_truncated(runner: JobRunner, truncate: str, expected: str) -> None:
    output = runner.run(echo("translate"), ["a" * 100 + "bcd", "e"], truncate=truncate)
    assert [each["translation_text"] for each in output] == [expected, "E"]
    assert (runner.usage.tokens_in, runner.usage.tokens_used, runner.usage.truncated_items) == (106, 62, 1)


@pytest.mark.parametrize("truncate", ["chunk", "error"])
def test_html_keeps_its_tags(runner: JobRunner, truncate: str) -> None:
    page = '<p class="x">Tom &amp; <b>Jerry</b>: 1 &lt; 2. Go!</p>\n<pre>as is</pre><!-- so --> &copy;'
    output = runner.run(echo("translate"), page, format="html", truncate=truncate, stream=True)
    expected = '<p class="x">TOM &amp; <b>JERRY</b>: 1 &lt; 2. GO!</p>\n<pre>as is</pre><!-- so --> &copy;'
    assert output["translation_text"] == runner.streamed_text() == expected


def test_a_missing_space_is_added_after_latin_punctuation() -> None:
    plan = ChunkPlan(("one", "two", "three"), ("", "", "", ""))
    answers = [ChunkAnswer(text, "eos_token") for text in (" Yes. ", "好。", "No.")]
    assert join_answers(plan, PostprocessOptions(strip=True, add_missing_spaces=True), answers).text == "Yes. 好。No."
    assert join_answers(plan, PostprocessOptions(strip=True), answers).text == "Yes.好。No."


def test_languages_can_be_tokens(runner: JobRunner) -> None:
    languages = {"languages": {"en": EN, "fr": FR, "de": DE}, "source": "prefix", "default_source": "en"}
    cache = EchoCache()
    model = echo("translate", cache, template="__en__ $A </s>", translate=Translate(**languages))
    output = runner.run(model, "ab. Cd.", src_lang="de-AT", tgt_lang="fra", stream=True)
    assert output["translation_text"] == runner.streamed_text() == "AB. CD."
    assert [(source[0], source[-1]) for source in cache.encoded] == [(DE, EOS)] * 2
    assert runner.usage.tokens_out == 10, "each answer begins with its language token"
    runner.run(model, "a" * 100, src_lang="de", tgt_lang="fr", truncate="right")
    assert (len(cache.encoded[-1]), cache.encoded[-1][0], cache.encoded[-1][-1]) == (60, DE, EOS)
    card = model.card()
    assert card.source_languages == card.target_languages == {"de": "German", "en": "English", "fr": "French"}


def test_the_target_language_can_be_a_token_before_the_text(runner: JobRunner) -> None:
    cache = EchoCache()
    languages = Translate(languages={"fr": FR, "de": DE}, reads=["en"], target="source_prefix")
    model = echo("translate", cache, translate=languages)
    assert runner.run(model, "a" * 59, tgt_lang="de")["translation_text"] == "A" * 59
    assert [source[0] for source in cache.encoded] == [DE] * len(cache.encoded) and len(cache.encoded) > 1
    assert model.card().source_languages == {"en": "English"}


def test_each_chunk_gets_the_prompt(runner: JobRunner) -> None:
    cache = EchoCache()
    model = echo("translate", cache, prompts={"translation_en_to_de": "de: "})
    assert runner.run(model, "a. " + "b" * 70, tgt_lang="de")["translation_text"].startswith("DE: A.")
    assert len(cache.encoded) >= 3
    runner.run(model, "c" * 70 + "d", truncate="left")
    assert len(cache.encoded[-1]) == 59, "one token is reserved for the border between prompt and text"
    assert [model.tokenizer.id_to_token(cache.encoded[-1][index]) for index in (0, 57)] == ["d", "d"]


def test_each_of_several_sequences_is_streamed(runner: JobRunner) -> None:
    parameters = {"num_beams": 3, "num_return_sequences": 3}
    output = runner.run(echo("translate"), "Ab. Cd.", stream=True, generate_parameters=parameters)
    assert output["translation_text"] == output["sequences"][0]["translation_text"] == "AB. CD."
    assert len(output["sequences"]) == 3
    for number, sequence in enumerate(output["sequences"]):
        assert runner.streamed_text(sequence=number) == sequence["translation_text"]


def test_sampled_sequences_differ_and_are_reproducible_by_seed(runner: JobRunner) -> None:
    parameters = {"temperature": 20.0, "num_return_sequences": 2, "seed": 5, "max_new_tokens": 6}
    first = runner.run(echo("translate"), "Aa. Aa.", generate_parameters=parameters)
    assert first == runner.run(echo("translate"), "Aa. Aa.", generate_parameters=parameters)
    texts = [each["translation_text"] for each in first["sequences"]]
    assert texts[0] != texts[1]
    halves = texts[0].split()
    assert len(set(halves)) == len(halves), "equal chunks must be sampled independently"


def test_a_stop_string_ends_the_whole_text(runner: JobRunner) -> None:
    parameters = {"stop": "D"}
    output = runner.run(echo("translate"), "Ab. Cd ef. Gh.", stream=True, generate_parameters=parameters)
    assert output == {"translation_text": "AB. C", "finish_reason": "stop_sequence"}
    assert runner.streamed_text() == "AB. C"


def test_a_cut_answer_has_finish_reason_length(runner: JobRunner) -> None:
    output = runner.run(echo("translate"), "Abcdef. Gh.", generate_parameters={"max_new_tokens": 4})
    assert output == {"translation_text": "ABCD GH.", "finish_reason": "length"}


def test_spaces_can_be_cleaned_up(runner: JobRunner) -> None:
    text = "do n't , he 's . so"
    output = runner.run(echo("denoise"), text, stream=True, clean_up_tokenization_spaces=True)
    assert output["corrected_text"] == runner.streamed_text()
    assert output["corrected_text"].startswith("DO N'T, HE 'S.")


# -- denoise ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("truncate", ["chunk", "error"])
def test_a_text_is_corrected_with_edits(runner: JobRunner, truncate: str) -> None:
    text = "OK. So be IT!\n\nYES NO "
    output = runner.run(echo("denoise"), text, stream=True, truncate=truncate)
    assert output["corrected_text"] == runner.streamed_text() == text.upper()
    assert output["edits"] == [
        {"offset": 4, "length": 2, "replacements": ["SO"]}, {"offset": 7, "length": 2, "replacements": ["BE"]}
    ]  # fmt: skip


@pytest.mark.parametrize("parameters", [{}, {"stop": "E"}, {"max_new_tokens": 3}, {"temperature": 30.0, "seed": 1}])
def test_edits_turn_the_input_into_the_corrected_text(runner: JobRunner, parameters: dict[str, Any]) -> None:
    output = runner.run(echo("denoise"), PAGE, generate_parameters=parameters)
    edits = [Edit(**edit) for edit in output["edits"]]
    assert applied(PAGE, edits) == output["corrected_text"]


def test_a_text_autoencoder_generates_as_many_tokens_as_it_reads(runner: JobRunner) -> None:
    model = echo("denoise", generation=Generation(decoder_start_token_id=PAD))
    model.output_has_source_length = True
    output = runner.run(model, "Ab cd.")
    assert (output["finish_reason"], runner.usage.tokens_out) == ("eos_token", runner.usage.tokens_in)


# -- text2text --------------------------------------------------------------------------------------------------------


def test_text2text_adds_no_prompt_and_does_not_split(runner: JobRunner) -> None:
    output = runner.run(echo("text2text", prompts={"summarization": "no: "}), ["a. b.", "c"], stream=True)
    assert output == [
        {"generated_text": "A. B.", "finish_reason": "eos_token"},
        {"generated_text": "C", "finish_reason": "eos_token"},
    ]
    assert runner.streamed_text(0) == "A. B."
    assert runner.usage == Usage(items=2, tokens_in=8, tokens_used=8, truncated_items=0, tokens_out=8, chunks=2)


# -- inputs that a model can not encode --------------------------------------------------------------------------------


def test_unknown_tokens_are_refused(runner: JobRunner) -> None:
    cache = EchoCache()
    cache.vocab_size = 40
    with pytest.raises(InvalidRequest, match=f"has token {len(SPECIALS) + 65}; the model knows 40 tokens"):
        runner.run(Seq2SeqModel(echo("text2text").manifest, echo("text2text").tokenizer, cache), "a")


def test_a_prompt_that_leaves_no_room_is_refused(runner: JobRunner) -> None:
    with pytest.raises(InvalidRequest, match="no room for a text"):
        runner.run(echo("summarize", prompts={"summarization": "x" * 60}), "a")


def test_the_card_has_the_source_length_of_the_cache() -> None:
    model = echo("summarize")
    assert model.card().max_tokens == 60 and model.card().source_languages is None
    assert model.manifest.limits == Limits(max_tokens=60)
