"""Translate, denoise and text2text on a model that repeats in capitals what it reads."""

from typing import Any

import pytest

from contracts.errors import InputTooLong, InvalidRequest
from contracts.jobs import Usage
from contracts.model_package.manifest import Generation, Limits, Translate
from contracts.seq2seq import Edit
from tests.support.editing import applied
from tests.unit.seq2seq.fakes import DE, EN, EOS, FR, PAD, SPECIALS, Desk, EchoCache, echo
from workers.seq2seq.chunking.joining import ChunkAnswer, PostprocessOptions, join_answers
from workers.seq2seq.chunking.plan import ChunkPlan
from workers.seq2seq.model import Seq2SeqModel

PAGE = "Dear all,\n\n  the cat sat. It slept!  Did it?\n\t* nothing *\n...\nBye (for now). "
LETTER = "A first sentence, not a short one. "


@pytest.fixture(scope="module")
def desk() -> Desk:
    return Desk()


# -- translate --------------------------------------------------------------------------------------------------------


def test_a_text_comes_back_whole_in_order_with_its_spacing(desk: Desk) -> None:
    output = desk.run(echo("translate"), PAGE, stream=True)
    assert output == {"translation_text": PAGE.upper(), "finish_reason": "eos_token"}
    assert desk.told_text() == PAGE.upper()
    assert desk.usage.chunks == 6 and desk.usage.tokens_in == desk.usage.tokens_used


def test_a_hundred_pages_are_translated_in_order_and_progress_is_told(desk: Desk) -> None:
    text = "".join(f"{LETTER}This is number {number}.\n\n" for number in range(400))
    output = desk.run(echo("translate"), text, stream=True)
    assert output["translation_text"] == desk.told_text() == text.upper()
    assert desk.usage.chunks == 800


def test_inputs_of_a_list_are_apart(desk: Desk) -> None:
    output = desk.run(echo("translate"), ["aa. B.", "---", "c"], stream=True)
    assert [each["translation_text"] for each in output] == ["AA. B.", "---", "C"]
    assert [desk.told_text(index) for index in (0, 2)] == ["AA. B.", "C"]
    assert desk.usage == Usage(items=3, tokens_in=9, tokens_used=9, truncated_items=0, tokens_out=9, chunks=3)


def test_a_text_of_one_character_is_cut_where_it_must_be(desk: Desk) -> None:
    output = desk.run(echo("translate"), "x" * 5000)
    assert output["translation_text"] == "X" * 5000 and 84 < desk.usage.chunks < 110


def test_a_text_is_read_whole_where_chunks_are_not_asked_for(desk: Desk) -> None:
    cache = EchoCache()
    output = desk.run(echo("translate", cache), "A b. C d.\nE ", truncate="error")
    assert output["translation_text"] == "A B. C D.\nE " and len(cache.read) == 1
    with pytest.raises(InputTooLong, match=r"61 tokens; the model takes 60.*'chunk'") as refusal:
        desk.run(echo("translate", cache), ["ok", "a" * 60], truncate="error")
    assert refusal.value.param == "inputs[1]"


@pytest.mark.parametrize(("truncate", "expected"), [("right", "A" * 59), ("left", "A" * 56 + "BCD")])
def test_a_text_can_be_cut(desk: Desk, truncate: str, expected: str) -> None:
    output = desk.run(echo("translate"), ["a" * 100 + "bcd", "e"], truncate=truncate)
    assert [each["translation_text"] for each in output] == [expected, "E"]
    assert (desk.usage.tokens_in, desk.usage.tokens_used, desk.usage.truncated_items) == (106, 62, 1)


@pytest.mark.parametrize("truncate", ["chunk", "error"])
def test_html_keeps_its_tags(desk: Desk, truncate: str) -> None:
    page = '<p class="x">Tom &amp; <b>Jerry</b>: 1 &lt; 2. Go!</p>\n<pre>as is</pre><!-- so --> &copy;'
    output = desk.run(echo("translate"), page, format="html", truncate=truncate, stream=True)
    expected = '<p class="x">TOM &amp; <b>JERRY</b>: 1 &lt; 2. GO!</p>\n<pre>as is</pre><!-- so --> &copy;'
    assert output["translation_text"] == desk.told_text() == expected


def test_sentences_without_a_space_between_get_one_where_the_answer_needs_it() -> None:
    plan = ChunkPlan(("one", "two", "three"), ("", "", "", ""))
    answers = [ChunkAnswer(text, "eos_token") for text in (" Yes. ", "好。", "No.")]
    assert join_answers(plan, PostprocessOptions(strip=True, add_missing_spaces=True), answers).text == "Yes. 好。No."
    assert join_answers(plan, PostprocessOptions(strip=True), answers).text == "Yes.好。No."


def test_languages_are_told_by_tokens(desk: Desk) -> None:
    facts = {"languages": {"en": EN, "fr": FR, "de": DE}, "source": "prefix", "default_source": "en"}
    cache = EchoCache()
    model = echo("translate", cache, template="__en__ $A </s>", translate=Translate(**facts))
    output = desk.run(model, "ab. Cd.", src_lang="de-AT", tgt_lang="fra", stream=True)
    assert output["translation_text"] == desk.told_text() == "AB. CD."
    assert [(source[0], source[-1]) for source in cache.read] == [(DE, EOS)] * 2
    assert desk.usage.tokens_out == 10, "each answer begins with the token of its language"
    desk.run(model, "a" * 100, src_lang="de", tgt_lang="fr", truncate="right")
    assert (len(cache.read[-1]), cache.read[-1][0], cache.read[-1][-1]) == (60, DE, EOS)
    card = model.card()
    assert card.source_languages == card.target_languages == {"de": "German", "en": "English", "fr": "French"}


def test_the_target_may_come_before_the_text(desk: Desk) -> None:
    cache = EchoCache()
    facts = Translate(languages={"fr": FR, "de": DE}, reads=["en"], target="source_prefix")
    model = echo("translate", cache, translate=facts)
    assert desk.run(model, "a" * 59, tgt_lang="de")["translation_text"] == "A" * 59
    assert [source[0] for source in cache.read] == [DE] * len(cache.read) and len(cache.read) > 1
    assert model.card().source_languages == {"en": "English"}


def test_prompts_come_before_each_chunk(desk: Desk) -> None:
    cache = EchoCache()
    model = echo("translate", cache, prompts={"translation_en_to_de": "de: "})
    assert desk.run(model, "a. " + "b" * 70, tgt_lang="de")["translation_text"].startswith("DE: A.")
    assert len(cache.read) >= 3
    desk.run(model, "c" * 70 + "d", truncate="left")
    assert len(cache.read[-1]) == 59, "a token is spared where prompt and text meet"
    assert [model.tokenizer.id_to_token(cache.read[-1][index]) for index in (0, 57)] == ["d", "d"]


def test_several_sequences_are_woven_each_by_itself(desk: Desk) -> None:
    parameters = {"num_beams": 3, "num_return_sequences": 3}
    output = desk.run(echo("translate"), "Ab. Cd.", stream=True, generate_parameters=parameters)
    assert output["translation_text"] == output["sequences"][0]["translation_text"] == "AB. CD."
    assert len(output["sequences"]) == 3
    for number, sequence in enumerate(output["sequences"]):
        assert desk.told_text(sequence=number) == sequence["translation_text"]


def test_drawn_sequences_differ_and_come_again_with_their_seed(desk: Desk) -> None:
    parameters = {"temperature": 20.0, "num_return_sequences": 2, "seed": 5, "max_new_tokens": 6}
    first = desk.run(echo("translate"), "Aa. Aa.", generate_parameters=parameters)
    assert first == desk.run(echo("translate"), "Aa. Aa.", generate_parameters=parameters)
    texts = [each["translation_text"] for each in first["sequences"]]
    assert texts[0] != texts[1]
    halves = texts[0].split()
    assert len(set(halves)) == len(halves), "chunks that are alike are drawn apart"


def test_a_stop_text_ends_the_whole_text(desk: Desk) -> None:
    parameters = {"stop": "D"}
    output = desk.run(echo("translate"), "Ab. Cd ef. Gh.", stream=True, generate_parameters=parameters)
    assert output == {"translation_text": "AB. C", "finish_reason": "stop_sequence"}
    assert desk.told_text() == "AB. C"


def test_an_answer_that_was_cut_says_so(desk: Desk) -> None:
    output = desk.run(echo("translate"), "Abcdef. Gh.", generate_parameters={"max_new_tokens": 4})
    assert output == {"translation_text": "ABCD GH.", "finish_reason": "length"}


def test_spaces_can_be_cleaned_up(desk: Desk) -> None:
    text = "do n't , he 's . so"
    output = desk.run(echo("denoise"), text, stream=True, clean_up_tokenization_spaces=True)
    assert output["corrected_text"] == desk.told_text()
    assert output["corrected_text"].startswith("DO N'T, HE 'S.")


# -- denoise ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("truncate", ["chunk", "error"])
def test_a_text_is_corrected_and_edits_say_where(desk: Desk, truncate: str) -> None:
    text = "OK. So be IT!\n\nYES NO "
    output = desk.run(echo("denoise"), text, stream=True, truncate=truncate)
    assert output["corrected_text"] == desk.told_text() == text.upper()
    assert output["edits"] == [
        {"offset": 4, "length": 2, "replacements": ["SO"]}, {"offset": 7, "length": 2, "replacements": ["BE"]}
    ]  # fmt: skip


@pytest.mark.parametrize("parameters", [{}, {"stop": "E"}, {"max_new_tokens": 3}, {"temperature": 30.0, "seed": 1}])
def test_edits_make_the_corrected_text(desk: Desk, parameters: dict[str, Any]) -> None:
    output = desk.run(echo("denoise"), PAGE, generate_parameters=parameters)
    edits = [Edit(**edit) for edit in output["edits"]]
    assert applied(PAGE, edits) == output["corrected_text"]


def test_a_text_autoencoder_writes_as_much_as_it_reads(desk: Desk) -> None:
    model = echo("denoise", generation=Generation(decoder_start_token_id=PAD))
    model.output_has_source_length = True
    output = desk.run(model, "Ab cd.")
    assert (output["finish_reason"], desk.usage.tokens_out) == ("eos_token", desk.usage.tokens_in)


# -- text2text --------------------------------------------------------------------------------------------------------


def test_text2text_adds_and_cuts_nothing(desk: Desk) -> None:
    output = desk.run(echo("text2text", prompts={"summarization": "no: "}), ["a. b.", "c"], stream=True)
    assert output == [
        {"generated_text": "A. B.", "finish_reason": "eos_token"},
        {"generated_text": "C", "finish_reason": "eos_token"},
    ]
    assert desk.told_text(0) == "A. B."
    assert desk.usage == Usage(items=2, tokens_in=8, tokens_used=8, truncated_items=0, tokens_out=8, chunks=2)


# -- what can't be read -----------------------------------------------------------------------------------------------


def test_tokens_that_the_graph_does_not_know_are_refused(desk: Desk) -> None:
    cache = EchoCache()
    cache.vocabulary = 40
    with pytest.raises(InvalidRequest, match=f"has token {len(SPECIALS) + 65}; the model knows 40 tokens"):
        desk.run(Seq2SeqModel(echo("text2text").manifest, echo("text2text").tokenizer, cache), "a")


def test_a_prompt_that_leaves_no_room_is_refused(desk: Desk) -> None:
    with pytest.raises(InvalidRequest, match="no room for a text"):
        desk.run(echo("summarize", prompts={"summarization": "x" * 60}), "a")


def test_a_package_that_names_no_lengths_has_those_of_its_cache() -> None:
    model = echo("summarize")
    assert model.card().max_tokens == 60 and model.card().source_languages is None
    assert model.manifest.limits == Limits(max_tokens=60)
