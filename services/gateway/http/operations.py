"""One table entry for each route: its path, its parameters, its responses and the function that serves it.

Flask's routes are registered from these entries and the OpenAPI document is generated from them, so neither can have a
route that the other lacks.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from flask import Response
from msgspec import Meta

from contracts.errors import TriptychError
from contracts.job_ids import JOB_ID

JobId = Annotated[str, Meta(pattern=f"^{JOB_ID.pattern}$")]


@dataclass(frozen=True)
class Parameter:
    """A parameter of a request outside its body."""

    name: str
    where: Literal["query", "header", "path"]
    kind: Any
    description: str


@dataclass(frozen=True)
class ResponseSpec:
    """One response of an operation. ``kind`` is the type of the body, or a tuple of several; None for no body.

    ``stream`` is the type of one item's data, or several, if the response may be a stream of server-sent events.
    ``text_types`` are media types as which the response may come as text.
    """

    description: str
    kind: Any = None
    media_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)
    stream: Any = None
    text_types: tuple[str, ...] = ()


@dataclass(frozen=True)
class ErrorFormat:
    """How routes of another API send errors: the function that makes the response, and what documents it."""

    respond: Callable[[TriptychError], Response]
    kind: Any
    statuses: tuple[int, ...]
    media_type: str = "application/json"


@dataclass(frozen=True)
class Operation:
    """One method of one path.

    ``view`` gets the fields of the path, and before them the tenant, unless the operation needs no key. With
    ``key_in_body`` the view finds the tenant itself, since the key may be a field of the body.
    """

    method: Literal["GET", "POST", "DELETE"]
    path: str
    view: Callable[..., Response]
    tag: Literal["Jobs", "Tasks", "OpenAI", "LibreTranslate", "LanguageTool", "Models", "Usage", "Service"]
    summary: str
    responses: Mapping[int, ResponseSpec]
    description: str = ""
    body: Any = None
    parameters: tuple[Parameter, ...] = ()
    body_types: tuple[str, ...] = ("application/json",)
    """Media types of the body; the example is sent as the first."""
    needs_key: bool = True
    any_host: bool = False
    """Whether requests may name another host: probes name the address of a container."""
    key_in_body: bool = False
    example: Mapping[str, Any] | None = None
    errors: tuple[int, ...] = ()
    """Statuses of errors beyond those that follow from the body, the key and the path."""
    error_format: ErrorFormat | None = None
    """None for OpenAI's format."""

    @property
    def submits(self) -> bool:
        """Whether requests submit jobs: all that have a body do."""
        return self.body is not None

    @property
    def may_wait(self) -> bool:
        """Whether requests may ask to wait for a job."""
        return any(one.name == "wait" for one in self.parameters)

    @property
    def holds(self) -> bool:
        """Whether each request may hold its connection: while its body arrives, and then for its job or its events."""
        return self.submits or any(one.media_type == "text/event-stream" for one in self.responses.values())

    @property
    def rule(self) -> str:
        """The path in Flask's syntax."""
        return self.path.replace("{", "<").replace("}", ">")

    @property
    def name(self) -> str:
        """A unique name: Flask's endpoint and the OpenAPI document's ``operationId``."""
        # Flask takes what precedes a dot in an endpoint for the name of a blueprint, so dots are replaced.
        words = self.path.replace("{", "").replace("}", "").replace(".", "_").strip("/").split("/")
        return "_".join([self.method.lower(), *words])


JOB_ID_PARAMETER = Parameter("job_id", "path", JobId, "The job's id, from the response to its submit.")
PREFER = Parameter(
    "Prefer",
    "header",
    str,
    "RFC 7240. `respond-async`: answer at once with 202 and the job. `wait=10`, alone or after `respond-async, `: wait "
    "up to 10 seconds for the output, then answer with 202 and the job. `Preference-Applied` reports what was applied.",
)
IDEMPOTENCY_KEY = Parameter(
    "Idempotency-Key",
    "header",
    Annotated[str, Meta(min_length=1, max_length=255)],
    "A text of your choice, new for each new request. For 24 hours the same request with the same key gets the same "
    "job, marked `Idempotent-Replayed: true`, or a new one once that job is purged; another request with that key is "
    "refused with 422.",
)
