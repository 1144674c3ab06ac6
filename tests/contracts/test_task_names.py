"""A task has one name; former names and those of Hugging Face are aliases of it."""

import pytest

from contracts.task_names import TASK_NAMES, parse_task
from contracts.tasks import TASKS


@pytest.mark.parametrize("name", TASK_NAMES)
def test_a_canonical_name_stays_as_it_is(name: str) -> None:
    assert parse_task(name) == name


@pytest.mark.parametrize(
    ("alias", "name"),
    [
        ("entities", "token-classify"), ("answer", "question-answer"), ("fill_mask", "fill-mask"),
        ("embed_image", "embed-image"), ("classify_image", "classify-image"), ("zero_shot_image", "zero-shot-image"),
        ("denoise_image", "denoise-image"),
        ("feature-extraction", "embed"), ("text-classification", "classify"), ("sentiment-analysis", "classify"),
        ("token-classification", "token-classify"), ("ner", "token-classify"),
        ("question-answering", "question-answer"), ("zero-shot-classification", "zero-shot-classify"),
        ("image-feature-extraction", "embed-image"), ("image-classification", "classify-image"),
        ("zero-shot-image-classification", "zero-shot-image"), ("text-generation", "generate"),
        ("conversational", "generate"), ("translation", "translate"), ("summarization", "summarize"),
        ("text2text-generation", "text2text"), ("automatic-speech-recognition", "transcribe"),
        ("image-to-text", "caption"),
    ],
)  # fmt: skip
def test_an_alias_becomes_the_canonical_name(alias: str, name: str) -> None:
    assert parse_task(alias) == name


@pytest.mark.parametrize("name", ["", "embeds", "Embed", "translation_en_to_fr", "x" * 10_000])
def test_an_unknown_name_is_refused_with_a_list_of_the_tasks(name: str) -> None:
    with pytest.raises(ValueError, match=r"unknown task .*; the tasks are embed, classify, .*, caption$") as caught:
        parse_task(name)
    assert len(str(caught.value)) < 400


def test_the_tasks_that_are_served_have_canonical_names() -> None:
    assert set(TASKS) <= set(TASK_NAMES)
