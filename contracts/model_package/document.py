"""Converts between the flat tables of ``manifest.toml`` and ``Manifest``, where graph and task carry their own tables.

The file keeps the flat form: it is easy to read and to write by hand, and packages that exist stay valid.
"""

from collections.abc import Mapping
from typing import Any, get_args

import msgspec

from contracts.model_package.graphs import Graph
from contracts.model_package.manifest import Manifest
from contracts.model_package.tasks import Task
from contracts.task_names import parse_task

_GRAPHS: Mapping[str, type[msgspec.Struct]] = {kind.__struct_config__.tag: kind for kind in get_args(Graph)}
_TASKS: Mapping[str, type[msgspec.Struct]] = {task.__struct_config__.tag: task for task in get_args(Task)}
_TABLES = (
    "embed", "classify", "token_classify", "fill_mask", "image", "audio", "ctc", "decoder", "generation", "translate",
    "transcribe",
)  # fmt: skip
"""All tables of graphs and tasks, in the order in which they are written."""
# From before the task was renamed; such packages are still on disks (docs/decisions/0019).
_FORMER_TABLES = {"token_classify": "entities"}
_LAST = ("prompts", "quality", "export", "verified")


def manifest_from(document: Mapping[str, Any]) -> Manifest:
    """Return the manifest that a TOML document states.

    Raises:
        ValueError: a field or table is missing, unknown, superfluous, or has a value that it can't have.
    """
    common = dict(document)
    tables = _pop_tables(common)
    kind = _text(common, "graph")
    if kind not in _GRAPHS:
        raise ValueError(f"unknown graph {kind[:64]!r}; the graphs are {', '.join(_GRAPHS)}")
    task = parse_task(_text(common, "task"), among=_TASKS)
    of_graph = _tables_of(_GRAPHS[kind], f"graph is {kind!r}", tables)
    of_task = _tables_of(_TASKS[task], f"task is {task!r}", tables)
    for name in tables:
        if name not in of_graph and name not in of_task:
            raise ValueError(f"there is a table [{name}], but the task {task!r} with a graph {kind!r} has none")
    common["graph"] = msgspec.convert({"kind": kind, **of_graph}, Graph)
    common["task"] = msgspec.convert({"name": task, **of_task}, Task)
    return msgspec.convert(common, Manifest)


def document_of(manifest: Manifest) -> dict[str, Any]:
    """Return a manifest as a TOML document has it. Fields that equal their defaults are left out."""
    document: dict[str, Any] = msgspec.to_builtins(manifest)
    graph, task = document["graph"], document["task"]
    document |= {"graph": graph["kind"], "task": task["name"]}
    last = {name: document.pop(name) for name in _LAST if name in document}
    tables = graph | task
    return document | {name: tables[name] for name in _TABLES if name in tables} | last


def _pop_tables(common: dict[str, Any]) -> dict[str, Any]:
    """Take the tables of graph and task out of a document, under the names that they have now."""
    tables = {}
    for name in _TABLES:
        # If a document has both names, the former one stays where it is, and is refused as an unknown field.
        written = name if name in common else _FORMER_TABLES.get(name, name)
        if written in common:
            tables[name] = common.pop(written)
    return tables


def _text(document: Mapping[str, Any], name: str) -> str:
    if isinstance(value := document.get(name), str):
        return value
    raise ValueError(f"{name} is missing, or is not a text")


def _tables_of(owner: type[msgspec.Struct], what: str, tables: Mapping[str, Any]) -> dict[str, Any]:
    """Return those tables that belong to a kind of graph or to a task."""
    fields = msgspec.structs.fields(owner)
    for field in fields:
        if field.required and field.name not in tables:
            raise ValueError(f"{what}, so a table [{field.name}] is needed")
    return {field.name: tables[field.name] for field in fields if field.name in tables}
