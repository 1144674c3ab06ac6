"""Bodies of submits: the types of tasks, and blank texts wherever they stand."""

from typing import Any

import msgspec
import pytest
from hypothesis import given

from contracts.errors import InvalidRequest
from contracts.shapes import Shape
from services.gateway.http.validation import check, refuse_blank
from services.gateway.jobs.submission import JOB_BODIES, TASK_BODIES, check_job, check_submission
from services.gateway.openai.embeddings import _submission
from services.gateway.openai.requests import EMBEDDINGS_CHECK
from tests.unit.gateway.documents import JSON


@given(JSON)
def test_any_document_is_a_submission_or_refused(document: Any) -> None:
    for parsed in (check_job, lambda value: check_submission(value, TASK_BODIES["classify"])):
        try:
            parsed(document)
        except InvalidRequest as error:
            assert error.http_status == 422


def test_a_task_has_the_same_fields_in_jobs_and_task_routes() -> None:
    assert set(JOB_BODIES) == set(TASK_BODIES)
    submission = check_job({"task": "embed", "inputs": "x", "parameters": {"truncate": "left"}})
    other = check_submission({"inputs": "x", "parameters": {"truncate": "left"}}, TASK_BODIES[submission.spec.name])
    assert msgspec.structs.asdict(submission) == msgspec.structs.asdict(other)


class _Passage(Shape, frozen=True):
    title: str
    lines: list[str]


class _Question(Shape, frozen=True, rename="camel"):
    asked_text: str
    passages: list[_Passage]
    top_k: int = 1


@pytest.mark.parametrize(
    ("question", "param"),
    [
        ({}, None),
        ({"askedText": " "}, "inputs.askedText"),
        ({"passages": [{"title": "a", "lines": ["b"]}, {"title": "\n", "lines": []}]}, "inputs.passages[1].title"),
        ({"passages": [{"title": "a", "lines": ["b", "\t "]}]}, "inputs.passages[0].lines[1]"),
    ],
)
def test_blank_texts_are_found_in_structs_of_any_shape(question: dict[str, Any], param: str | None) -> None:
    inputs = check({"askedText": "Who?", "passages": [], "topK": 3, **question}, _Question)
    if param is None:
        refuse_blank("inputs", inputs)
        return
    with pytest.raises(InvalidRequest, match="not blank") as caught:
        refuse_blank("inputs", inputs)
    assert caught.value.param == param


def test_texts_of_openais_embeddings_may_be_cut() -> None:
    body = EMBEDDINGS_CHECK({"model": "m", "input": "a text", "truncate": "right"})
    assert _submission(body).parameters.truncate == "right"
