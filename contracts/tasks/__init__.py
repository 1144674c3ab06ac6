"""The table of tasks: one row for each, from which the gateway makes the task's route and its part of the API document.

The types in a row validate a request at the gateway, generate the OpenAPI document, and decode the request again in
the worker, so a request can't mean two things. Shapes follow Hugging Face's task schemas.
"""

from contracts.model_package.graphs import GraphKind
from contracts.task_names import Family, TaskName
from contracts.tasks.classify import CLASSIFY
from contracts.tasks.embed import EMBED
from contracts.tasks.generate import GENERATE
from contracts.tasks.seq2seq import DENOISE, SUMMARIZE, TEXT2TEXT, TRANSLATE
from contracts.tasks.spec import TaskSpec

TASKS: dict[str, TaskSpec] = {
    spec.name: spec for spec in (EMBED, CLASSIFY, GENERATE, TRANSLATE, SUMMARIZE, DENOISE, TEXT2TEXT)
}


def kinds_of(family: Family) -> frozenset[tuple[GraphKind, TaskName]]:
    """Return the combinations of graph and task that the workers of a family serve."""
    return frozenset((graph, spec.name) for spec in TASKS.values() if spec.family == family for graph in spec.graphs)


def is_served(task: TaskName, graph: GraphKind | None = None) -> bool:
    """Return whether workers serve packages of a task: with this kind of graph, or, without one, with any."""
    return task in TASKS and (graph is None or graph in TASKS[task].graphs)
