"""Errors of bodies name the words that a field may have."""

from typing import Any

import pytest

from contracts.errors import InvalidRequest
from contracts.jobs import LANES
from services.gateway.http.choices import choices_of
from services.gateway.jobs.submission import JOB_BODIES, TASK_BODIES, check_job, check_task
from services.gateway.languages.libretranslate.messages import TranslationRequest
from services.gateway.openai.requests import CHAT_CHECK, EMBEDDINGS_CHECK


def refused(check: Any, *arguments: Any) -> tuple[str | None, str]:
    with pytest.raises(InvalidRequest) as caught:
        check(*arguments)
    return caught.value.param, caught.value.message


@pytest.mark.parametrize("value", ["urgent", 5, ["bulk"]])
def test_every_route_with_a_priority_lists_the_three(value: Any) -> None:
    expected = ("priority", "Expected one of `bulk`, `default`, `interactive`.")
    assert refused(check_job, {"task": "embed", "inputs": "x", "priority": value}) == expected
    assert refused(check_task, {"inputs": "x", "priority": value}, "translate") == expected
    assert refused(EMBEDDINGS_CHECK, {"model": "m", "input": "x", "priority": value}) == expected
    assert (
        refused(CHAT_CHECK, {"model": "m", "messages": [{"role": "user", "content": ""}], "priority": value})
        == expected
    )


@pytest.mark.parametrize(
    ("task", "body", "param", "words"),
    [
        ("embed", {"parameters": {"truncate": "x"}}, "parameters.truncate", "one of `error`, `left`, `right`"),
        ("translate", {"parameters": {"generate_parameters": {"early_stopping": "x"}}},
         "parameters.generate_parameters.early_stopping", "one of `true`, `false`, `never`"),
        ("generate", {"inputs": ["x", {"messages": [{"role": "user", "content": [{"type": "image", "text": ""}]}]}]},
         "inputs[1].messages[0].content[0].type", "`text`"),
        ("embed", {"inputs": 3}, "inputs", "`str | array`, got `int`"),
        ("embed", {"deadline_s": "x"}, "deadline_s", "`float | null`, got `str`"),
    ],
)  # fmt: skip
def test_words_are_found_at_any_depth(task: str, body: dict[str, Any], param: str, words: str) -> None:
    assert refused(check_task, {"inputs": "x", **body}, task) == (param, f"Expected {words}.")


def test_only_what_has_certain_words_has_choices() -> None:
    for kind in (*TASK_BODIES.values(), *JOB_BODIES.values()):
        assert sorted(choices_of(kind, "priority")) == sorted(LANES)
    assert choices_of(TranslationRequest, "format") == ["html", "text"]
    assert choices_of(TASK_BODIES["embed"], "metadata[...]") == []
    assert choices_of(TASK_BODIES["embed"], "nowhere[0].at.all") == []
