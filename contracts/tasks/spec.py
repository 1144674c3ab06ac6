"""What a row of the table of tasks holds. Data and pure functions only: no store, no HTTP, no model."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from contracts.cards import ModelCard
from contracts.model_package.graphs import GraphKind
from contracts.price.demand import Demand, text_size
from contracts.shapes import Shape, num_inputs
from contracts.task_names import Family, TaskName
from contracts.tasks.streams import StreamSpec

ModelCheck = Callable[[ModelCard, Any, Any], None]
"""Gets a model's card and the inputs and parameters of a request; raises InvalidRequest if the model can't serve it."""

DemandOf = Callable[[Any, Any], Demand]
"""Gets the inputs and parameters of a request; returns what a model would have to do for it."""


def demand_of_texts(inputs: Any, parameters: Any) -> Demand:
    """Return the demand of a request whose inputs are only read, whatever texts they are made of."""
    size = text_size(_texts_in(inputs))
    truncates = getattr(parameters, "truncate", "error") in ("left", "right")
    return Demand(num_rows=num_inputs(inputs), num_chars=size.num_chars, num_bytes=size.num_bytes, truncates=truncates)


def _texts_in(value: Any) -> list[str]:
    """Return all texts of an input, or of a list of them."""
    if isinstance(value, str):
        return [value]
    if isinstance(value, msgspec.Struct):
        value = [getattr(value, name) for name in value.__struct_fields__]
    if not isinstance(value, list):
        return []
    texts = [item for item in value if isinstance(item, str)]
    if len(texts) < len(value):
        texts += [text for item in value if not isinstance(item, str) for text in _texts_in(item)]
    return texts


def any_request(card: ModelCard, inputs: Any, parameters: Any) -> None:
    """Accept every request: for tasks whose types check all that there is to check."""


@dataclass(frozen=True, kw_only=True)
class TaskSpec:
    """One task: its types, the family of workers that runs it, and what the gateway checks and documents."""

    name: TaskName
    family: Family
    graphs: tuple[GraphKind, ...]
    """The kinds of graphs that this family has code for. No worker takes a package with another one."""
    summary: str
    """One sentence for the API document, with a full stop."""
    inputs: Any
    """Type of the field ``inputs``: one input, or a list of them."""
    parameters: type[Shape]
    output: Any
    """Type of the answer to one input. A list of inputs is answered by a list of these."""
    example: Mapping[str, Any]
    """Body of a request, as the API document and its curl command show it."""
    demand: DemandOf = demand_of_texts
    check_model: ModelCheck = any_request
    accepts_blank: bool = False
    """Whether a text of white space only is valid: a line break is a prompt, but it has no meaning to embed."""
    reads_chunks: bool = False
    """Whether long inputs are read in chunks, whose number the answer then carries in `X-Triptych-Chunks`."""
    stream: StreamSpec | None = None
    """How the answer is streamed; None for a task whose requests have no field ``stream``."""

    @property
    def outputs(self) -> tuple[Any, Any]:
        """Types that a job's whole output may have: the answer to one input, and a list of answers."""
        # Not list[self.output], which a type checker takes for an annotation.
        return self.output, list.__class_getitem__(self.output)

    @property
    def type_name(self) -> str:
        """The task's name as the beginning of the name of a type: ``token-classify`` gives ``TokenClassify``."""
        return self.name.title().replace("-", "")
