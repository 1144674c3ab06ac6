"""What the table entries of OpenAI's routes have in common."""

from collections.abc import Callable, Mapping
from typing import Any

from flask import Response

from services.gateway.http.operations import IDEMPOTENCY_KEY, PREFER, Operation, ResponseSpec
from services.gateway.jobs.responses import JOB_IF_PREFERRED, NOT_SUCCEEDED


def openai_operation(
    path: str,
    view: Callable[..., Response],
    *,
    summary: str,
    description: str,
    response: ResponseSpec,
    body: Any,
    example: Mapping[str, Any],
) -> Operation:
    """Return the table entry of a route that waits for its job and responds as OpenAI does."""
    return Operation(
        method="POST",
        path=path,
        view=view,
        tag="OpenAI",
        summary=summary,
        description=description,
        responses={200: response, **JOB_IF_PREFERRED, **NOT_SUCCEEDED},
        body=body,
        parameters=(PREFER, IDEMPOTENCY_KEY),
        example=example,
        errors=(404, 429),
    )
