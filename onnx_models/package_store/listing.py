"""What `python -m onnx_models list` and `show` print. Runs in a worker's environment."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from contracts.model_package.document import document_of
from contracts.model_package.graphs import GraphKind
from contracts.model_package.manifest import Manifest
from contracts.model_package.package import ModelPackage, PackageError, find_packages, load_named_package
from contracts.task_names import TaskName
from contracts.tasks import TASKS, is_served

HEAD = ("name", "task", "precision", "size", "max tokens", "licence", "served by", "quality")
NO_WORKER = "no worker takes it yet"


def served_by(task: TaskName, graph: GraphKind | None = None) -> str:
    """Return which worker serves a task, with a graph of this kind, or of any kind."""
    return f"{TASKS[task].family} worker" if is_served(task, graph) else NO_WORKER


def rows_of(folders: Iterable[Path]) -> tuple[list[tuple[str, ...]], list[str]]:
    """Check every package under the folders.

    Returns:
        A row of cells for each valid package, in the order of ``HEAD``, and a message for each invalid one and for each
        folder that is none.
    """
    rows, problems = [], []
    for folder in folders:
        if not folder.is_dir():
            problems.append(f"{folder}: no such folder")
        for path in find_packages(folder).values():
            try:
                rows.append(_row(load_named_package(path)))
            except PackageError as error:
                problems.append(str(error))
    return rows, problems


def _row(package: ModelPackage) -> tuple[str, ...]:
    manifest = package.manifest
    num_bytes = sum(package.file(name).stat().st_size for name in manifest.files)
    return (
        manifest.name,
        manifest.task.name,
        manifest.precision,
        f"{num_bytes / 1e6:.1f} MB",
        str(manifest.limits.max_tokens),
        manifest.licence,
        served_by(manifest.task.name, manifest.graph.kind),
        _quality(manifest),
    )


def _quality(manifest: Manifest) -> str:
    """Return the first figure, which a package's author puts first because it says most; `show` prints all."""
    figures = [f"{name} {value:.3g}" for name, value in manifest.quality.items() if isinstance(value, float)]
    more = f" and {len(figures) - 1} more" if len(figures) > 1 else ""
    return f"{figures[0]}{more}" if figures else "not measured"


def as_table(rows: Sequence[tuple[str, ...]], head: tuple[str, ...] = HEAD) -> str:
    """Return the rows under a header line, with columns as wide as their longest cell."""
    widths = [max(len(row[column]) for row in [head, *rows]) for column in range(len(head))]
    lines = [[text.ljust(width) for text, width in zip(row, widths, strict=True)] for row in [head, *rows]]
    return "\n".join("  ".join(line).rstrip() for line in lines)


_MAX_VALUE = 160
_MEANINGS = {
    "relative_diff": "largest difference from the reference, over its largest number or 1",
    "min_cosine": "smallest cosine with the reference: 1 is the same direction",
    "top1_agreement": "share of outputs whose largest number is where the reference's is",
    "batch_diff": "largest difference between a row alone and in a batch",
    "same_tokens": "share of greedily decoded tokens before the first difference",
    "size_ratio": "size relative to the fp32 package",
}
"""Explanations of figures in the [verified] table whose names are not clear by themselves."""


def described(package: ModelPackage) -> list[str]:
    """Return the lines of `python -m onnx_models show`: single fields first, then every table of the manifest."""
    manifest = package.manifest
    num_bytes = sum(package.file(name).stat().st_size for name in manifest.files)
    fields = {
        name: value
        for name, value in document_of(manifest).items()
        if not isinstance(value, dict) and name != "batch_safe"
    }
    fields |= {"path": str(package.path), "size": f"{num_bytes / 1e6:.1f} MB in {len(manifest.files)} files"}
    fields["served by"] = served_by(manifest.task.name, manifest.graph.kind)
    fields["batch safe"] = "yes" if manifest.batch_safe else "no: outputs depend on the batch composition"
    lines = [f"{name}: {value}" for name, value in fields.items()]
    for title, table in document_of(manifest).items():
        if isinstance(table, dict) and table:
            lines += ["", f"[{title}]", *(_line(name, value) for name, value in table.items())]
    return lines


def _line(name: str, value: object) -> str:
    text = str(value) if len(str(value)) <= _MAX_VALUE else f"{str(value)[:_MAX_VALUE]}…"
    return f"  {name}: {text}" + (f"   ({_MEANINGS[name]})" if name in _MEANINGS else "")
