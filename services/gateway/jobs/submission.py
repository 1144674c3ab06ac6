"""Bodies of requests that submit a job: one type for each task, made from its row in ``contracts.tasks``.

The types validate requests, and the OpenAPI document is generated from them. Step 1 on the path of a job.
"""

from typing import Annotated, Any, ClassVar, Union

import msgspec
from msgspec import Meta

from contracts.errors import InvalidRequest
from contracts.jobs import Lane
from contracts.shapes import Shape
from contracts.task_names import parse_task
from contracts.tasks import TASKS
from contracts.tasks.spec import TaskSpec
from services.gateway.http.bodies.checking import BodyCheck
from services.gateway.http.validation import check, refuse_blank

ModelName = Annotated[str, Meta(min_length=1, max_length=128, description="Name of a model, see /v1/models.")]
_Key = Annotated[str, Meta(min_length=1, max_length=64)]
_Value = Annotated[str, Meta(max_length=512)]
Priority = Annotated[
    Lane | None,
    Meta(
        description="How urgent the job is. Jobs that are `interactive`, `default` and `bulk` share a model about "
        "8 : 4 : 1 while all three wait. Those that have waited long get more, so none of them stands still. Default: "
        "`interactive` for a request that waits for its output or streams it, else `default`."
    ),
]
_Stream = Annotated[bool, Meta(description="Stream the answer while it is generated, by server-sent events.")]


class Submission(Shape, frozen=True, kw_only=True):
    """What all submits have in common. The types of tasks narrow ``inputs`` and ``parameters``.

    The types of tasks that stream turn ``stream`` into a field.
    """

    spec: ClassVar[TaskSpec]
    stream: ClassVar[bool] = False
    inputs: Any
    parameters: Any
    model: ModelName | None = None
    priority: Priority = None
    deadline_s: Annotated[
        Annotated[float, Meta(gt=0, le=86_400)] | None,
        Meta(
            description="Seconds from submit to done; a job that takes longer expires. Without it, a job has 15 "
            "minutes, or a day if its `priority` is `bulk`, by default."
        ),
    ] = None
    timeout_s: Annotated[
        Annotated[float, Meta(gt=0, le=86_400)] | None,
        Meta(
            description="Seconds that one execution may take; a job that takes longer fails. Without it, one may take "
            "10 minutes by default, or if `priority` is `bulk` until the deadline."
        ),
    ] = None
    ttl_s: Annotated[
        Annotated[float, Meta(ge=1, le=604_800)] | None,
        Meta(
            description="Seconds that the finished job is kept, whether or not you have its output; then it is purged, "
            "and its id answers 410. Without it, a job is kept for an hour, or 5 minutes once you have its output."
        ),
    ] = None
    metadata: Annotated[
        dict[_Key, _Value], Meta(max_length=16, description="Up to 16 texts of your own, returned with the job.")
    ] = msgspec.field(default_factory=dict)

    @property
    def times(self) -> dict[str, float | None]:
        """The times that a request may set; None for those that it does not."""
        return {"deadline_s": self.deadline_s, "timeout_s": self.timeout_s, "ttl_s": self.ttl_s}


def _bodies(suffix: str, *, tag_field: str | None = None) -> dict[str, type[Submission]]:
    """Return a type for each task. With ``tag_field``, bodies also name their task in that field."""
    return {
        spec.name: msgspec.defstruct(  # type: ignore[misc]
            spec.type_name + suffix,
            [
                ("inputs", spec.inputs),
                ("parameters", spec.parameters, msgspec.field(default_factory=spec.parameters)),
                *([("stream", _Stream, False)] if spec.stream else []),
            ],
            bases=(Submission,),
            module=__name__,
            namespace={"__doc__": spec.summary, "spec": spec},
            # The route already names the task on the task routes; there a field `task` is unknown and refused.
            tag=spec.name if tag_field else None,
            tag_field=tag_field,
        )
        for spec in TASKS.values()
    }


TASK_BODIES = _bodies("Request")
"""Bodies of the task routes, by task."""
JOB_BODIES = _bodies("Job", tag_field="task")
"""Bodies of ``POST /v1/jobs``, by task."""


def make_submission(task: str, **fields: Any) -> Submission:
    """Return a submission of values that another type has checked already."""
    kind: Any = TASK_BODIES[task]
    submission: Submission = kind(**fields)
    return submission


def check_task(document: Any, task: str) -> Submission:
    """Return the checked body of a task's route. Raises as ``check``."""
    return check_submission(document, TASK_BODIES[task])


def check_job(document: Any) -> Submission:
    """Return the checked body of ``POST /v1/jobs``, whose task may be an alias. Raises as ``check``."""
    if not isinstance(document, dict):
        check(document, dict)  # raises
    task = document.get("task")
    try:
        name = parse_task(task if isinstance(task, str) else "", among=JOB_BODIES)
    except ValueError as error:
        problem = "Unknown task" if "task" in document else "Missing required field `task`"
        raise InvalidRequest(f"{problem}. Tasks: {', '.join(JOB_BODIES)}.", param="task") from error
    if name != task:
        document = {**document, "task": name}
    return check_submission(document, JOB_BODIES[name])


def check_submission(document: Any, kind: type[Submission]) -> Submission:
    """Return a submit's body as its type; blank texts are refused unless the task accepts them. Raises as ``check``."""
    submission = check(document, kind)
    if not submission.spec.accepts_blank:
        refuse_blank("inputs", submission.inputs)
    return submission


# Below the functions that they name.
TASK_CHECKS = {task: BodyCheck(check_task, kind, task) for task, kind in TASK_BODIES.items()}
"""How the bodies of the task routes are checked, by task."""
JOB_CHECK: BodyCheck[Submission] = BodyCheck(check_job, Union[tuple(JOB_BODIES.values())])  # noqa: UP007 - not a literal
"""How the body of ``POST /v1/jobs`` is checked."""
