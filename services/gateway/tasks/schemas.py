"""What clients may send: one request type a task, made from ``contracts.tasks``, and what OpenAI's clients send.

The types validate, and the OpenAPI document is generated from them. Step 1 on the path of a job.
"""

import re
from typing import Annotated, Any, ClassVar, Literal, TypeVar

import msgspec
from msgspec import Meta

from contracts.errors import InvalidRequest
from contracts.shapes import MAX_INPUTS, Shape, Text
from contracts.task_names import parse_task
from contracts.tasks import TASKS, TextPair

T = TypeVar("T")

ModelName = Annotated[str, Meta(min_length=1, max_length=128, description="Name of a model, see /v1/models.")]
_Key = Annotated[str, Meta(min_length=1, max_length=64)]
_Value = Annotated[str, Meta(max_length=512)]
_Stream = Annotated[bool, Meta(description="Tell the answer while it is written, by server-sent events.")]


class Submission(Shape, frozen=True, kw_only=True):
    """What every submit has in common; subclasses narrow ``inputs`` and ``parameters`` to their task.

    Those of tasks whose answers can be told as they grow have a field ``stream`` too.
    """

    takes_blank: ClassVar[bool] = False
    inputs: Any
    parameters: Any
    model: ModelName | None = None
    deadline_s: Annotated[
        Annotated[float, Meta(gt=0, le=86_400)] | None,
        Meta(description="Seconds from submit to done; a job that takes longer expires."),
    ] = None
    timeout_s: Annotated[
        Annotated[float, Meta(gt=0, le=86_400)] | None,
        Meta(description="Seconds that one execution may take; a job that takes longer fails."),
    ] = None
    ttl_s: Annotated[
        Annotated[float, Meta(ge=1, le=604_800)] | None,
        Meta(description="Seconds that the finished job is kept; then it is purged, and its id answers 410."),
    ] = None
    metadata: Annotated[
        dict[_Key, _Value], Meta(max_length=16, description="Up to 16 texts of your own, returned with the job.")
    ] = msgspec.field(default_factory=dict)


def _bodies(suffix: str, *, tag_field: str | None = None) -> dict[str, type[Submission]]:
    """Make a request type for each task; with ``tag_field`` it also carries the task's name in that field."""
    return {
        spec.name: msgspec.defstruct(  # type: ignore[misc]
            spec.name.title() + suffix,
            [
                ("inputs", spec.inputs),
                ("parameters", spec.parameters, msgspec.field(default_factory=spec.parameters)),
                *([("stream", _Stream, False)] if spec.streams else []),
            ],
            bases=(Submission,),
            module=__name__,
            namespace={"__doc__": spec.summary, "takes_blank": spec.takes_blank},
            tag=spec.name if tag_field else None,
            tag_field=tag_field,
        )
        for spec in TASKS.values()
    }


TASK_BODIES = _bodies("Request")
"""Bodies of the task routes, by task."""
JOB_BODIES = _bodies("Job", tag_field="task")
"""Bodies of ``POST /v1/jobs``, by task."""


class EmbeddingsRequest(Shape, frozen=True, kw_only=True):
    """OpenAI's request for embeddings, for texts. Arrays of token ids belong to OpenAI's tokenizers and are refused."""

    model: ModelName
    input: Text | Annotated[list[Text], Meta(min_length=1, max_length=MAX_INPUTS)]
    encoding_format: Literal["float", "base64"] = "float"
    dimensions: Annotated[Annotated[int, Meta(ge=1)] | None, Meta(description="Keep only the first so many.")] = None
    user: Annotated[str | None, Meta(description="Taken for compatibility, and not used.")] = None


def check(document: Any, kind: type[T], *, strict: bool = True) -> T:
    """Return a parsed body as its type; not ``strict``, texts that are numbers or truth values count as such.

    Raises:
        InvalidRequest: it does not fit; ``param`` names the field.
    """
    try:
        return msgspec.convert(document, kind, strict=strict)
    except msgspec.ValidationError as error:
        raise _translated(str(error)) from error


def check_job(document: Any) -> tuple[str, Submission]:
    """Return the canonical name of the task and the checked body of ``POST /v1/jobs``. Raises as ``check``."""
    if not isinstance(document, dict):
        return "", check_submission(document, JOB_BODIES["embed"])  # raises: any body is an object
    task = document.get("task")
    try:
        name = parse_task(task if isinstance(task, str) else "", among=JOB_BODIES)
    except ValueError as error:
        problem = "Unknown task" if "task" in document else "Missing required field `task`"
        raise InvalidRequest(f"{problem}. Tasks: {', '.join(JOB_BODIES)}.", param="task") from error
    return name, check_submission({**document, "task": name}, JOB_BODIES[name])


def check_submission(document: Any, kind: type[Submission]) -> Submission:
    """Return a submit's body as its type, with no blank text in it unless the task takes it. Raises as ``check``."""
    submission = check(document, kind)
    if not submission.takes_blank:
        refuse_blank("inputs", submission.inputs)
    return submission


def refuse_blank(path: str, inputs: Any) -> None:
    """Raise InvalidRequest, naming the place, for a text that has nothing but white space."""
    if isinstance(inputs, list):
        for index, item in enumerate(inputs):
            refuse_blank(f"{path}[{index}]", item)
    elif isinstance(inputs, TextPair):
        refuse_blank(f"{path}.text", inputs.text)
        refuse_blank(f"{path}.text_pair", inputs.text_pair)
    elif inputs.isspace():
        raise InvalidRequest("Expected a text that is not blank.", param=path)


_AT = re.compile(r"(?P<problem>.*?)(?: - at (?P<key>`key` in )?`\$(?P<path>[^`]*)`)?", re.DOTALL)
_FIELD = re.compile(r"Object (?:missing required|contains unknown) field `(?P<name>.*)`", re.DOTALL)


def _translated(text: str) -> InvalidRequest:
    """Turn msgspec's sentence, which ends in a path such as `$.inputs[3]`, into ours with the path apart."""
    match = _AT.fullmatch(text)
    problem, path = (match["problem"], (match["path"] or "").lstrip(".")) if match else (text, "")
    field = _FIELD.fullmatch(problem)
    if field:
        path = f"{path}.{field['name'][:64]}" if path else field["name"][:64]
    return InvalidRequest(f"{problem[:300]}.", param=path.replace("[...]", "") or None)
