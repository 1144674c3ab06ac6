"""One table entry for each route: where it is, what it takes and answers, and which function does it.

Routes are registered from these entries and the OpenAPI document is generated from them, so neither can know a route
that the other does not.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from flask import Response
from msgspec import Meta

from contracts.errors import TriptychError
from contracts.jobs import JOB_ID

JobId = Annotated[str, Meta(pattern=f"^{JOB_ID.pattern}$")]


@dataclass(frozen=True)
class Parameter:
    """Something that a request takes beside its body."""

    name: str
    where: Literal["query", "header", "path"]
    kind: Any
    description: str


@dataclass(frozen=True)
class Answer:
    """One way in which an operation answers. ``kind`` is the body's type, or a tuple of several; None for no body.

    ``stream`` is the type of one item's data, or several, where the answer may be a stream of server-sent events.
    """

    description: str
    kind: Any = None
    media_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)
    stream: Any = None


@dataclass(frozen=True)
class Refusals:
    """How a route that speaks another API says what went wrong; the routes of our own say it in one shape."""

    respond: Callable[[TriptychError], Response]
    kind: Any
    statuses: tuple[int, ...]
    media_type: str = "application/json"


@dataclass(frozen=True)
class Operation:
    """One method of one path. ``view`` gets the tenant first, unless the operation is open, then the path's fields.

    With ``key_in_body`` the view finds the tenant itself, since the key may be a field of the body.
    """

    method: Literal["GET", "POST", "DELETE"]
    path: str
    view: Callable[..., Response]
    tag: Literal["Jobs", "Tasks", "OpenAI", "LibreTranslate", "LanguageTool", "Models", "Service"]
    summary: str
    answers: Mapping[int, Answer]
    description: str = ""
    body: Any = None
    parameters: tuple[Parameter, ...] = ()
    body_types: tuple[str, ...] = ("application/json",)
    """Media types of the body; the example is sent as the first."""
    needs_key: bool = True
    key_in_body: bool = False
    example: Mapping[str, Any] | None = None
    errors: tuple[int, ...] = ()
    refusals: Refusals | None = None

    @property
    def rule(self) -> str:
        """The path in Flask's spelling."""
        return self.path.replace("{", "<").replace("}", ">")

    @property
    def name(self) -> str:
        """A name that no other operation has."""
        words = self.path.replace("{", "").replace("}", "").replace(".", "_").strip("/").split("/")
        return "_".join([self.method.lower(), *words])


JOB_ID_PARAMETER = Parameter("job_id", "path", JobId, "The job's id, as the submit answered it.")
PREFER = Parameter(
    "Prefer",
    "header",
    str,
    "RFC 7240. `respond-async`: answer at once with 202 and the job. `wait=10`, alone or after `respond-async, `: wait "
    "up to 10 seconds for the answer, then 202 and the job. `Preference-Applied` tells what was done.",
)
IDEMPOTENCY_KEY = Parameter(
    "Idempotency-Key",
    "header",
    Annotated[str, Meta(min_length=1, max_length=255)],
    "A text of your choice, new for each new request. For 24 hours the same request with the same key meets the same "
    "job, marked `Idempotent-Replayed: true`; another request with it is refused with 422.",
)
JOB_HEADERS = {
    "Location": "Where the job is read.",
    "Retry-After": "Seconds to wait before reading it.",
    "X-Triptych-Job-Id": "The job's id.",
    "Preference-Applied": "What was taken from `Prefer`.",
    "Idempotent-Replayed": "`true` when an earlier request with this Idempotency-Key had made the job.",
}
