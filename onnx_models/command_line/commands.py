"""The commands of `python -m onnx_models`; `onnx_models.command_line.cli` parses their arguments.

Commands import the libraries of the export environment late, so that mistakes which can be found without them are
reported at once.
"""

import argparse
import re
import sys

import msgspec

from contracts.model_package.document import document_of
from contracts.model_package.graphs import GraphKind
from contracts.model_package.manifest import Figures, Manifest
from contracts.model_package.package import load_package
from contracts.task_names import TaskName, parse_task
from contracts.tasks import is_served
from onnx_models.errors import ExportError
from onnx_models.exporting.exporters import ExportRequest
from onnx_models.exporting.sources import open_source
from onnx_models.package_store import store
from onnx_models.package_store.listing import NO_WORKER, as_table, described, rows_of, served_by
from onnx_models.recipes import read_recipes

# Options without a default of their own: if the user gives none, the field's default or the source decides.
_FROM_SOURCE = ("pooling", "normalize", "max_tokens", "licence", "description", "languages", "opset", "cache", "force")
# How often `export_package` reports a step: a lower precision is converted and compared after fp32.
_STEPS = {"fp32": 2}
_STEPS_QUANTISED = 4


def export(options: argparse.Namespace) -> int:
    """Export a package from a source, or from a recipe."""
    fill_from_recipe(options)
    source = open_source(options.source, options.revision)  # before torch is imported, which takes seconds
    from onnx_models.command_line.progress import steps
    from onnx_models.exporting.export import export_package
    from onnx_models.verification.verify import DEFAULT_ATOL

    request = ExportRequest(
        source=source,
        name=options.name,
        task=options.task,
        output=options.output,
        precision=options.precision,
        atol=DEFAULT_ATOL if options.atol is None else options.atol,
        **{name: value for name in _FROM_SOURCE if (value := getattr(options, name)) is not None},
    )
    # Before minutes are spent on it; the kind of its graph is known only afterwards.
    _note_unserved(request.task)
    with steps(_STEPS.get(request.precision, _STEPS_QUANTISED)) as report_step:
        package = export_package(request, min_cosine=options.min_cosine, report_step=report_step)
    print(f"{package.path}: exported and verified")
    _print(package.manifest.export | package.manifest.verified)
    _warn(package.manifest)
    _note_default(package.manifest)
    return 0


def fill_from_recipe(options: argparse.Namespace) -> None:
    """Take options that the user did not set from the recipe.

    Raises:
        ExportError: there is no such recipe; or no recipe is given, and a required option is missing.
    """
    if options.recipe is None:
        if missing := [name for name in ("source", "task", "name") if getattr(options, name) is None]:
            raise ExportError(f"give {', '.join(missing)}; or --recipe, which has all of them")
        return
    recipes = read_recipes()
    if options.recipe not in recipes:
        raise ExportError(f"no recipe {options.recipe!r}; there are: {', '.join(sorted(recipes))}")
    recipe = recipes[options.recipe]
    filled: dict[str, object] = {
        "source": recipe.model,
        "task": recipe.task,
        "name": recipe.name,
        "revision": recipe.revision,
    }
    filled |= {"licence": recipe.licence, "description": recipe.purpose}
    filled |= {str(name): value for name, value in recipe.options.items()}
    for name, value in filled.items():
        if getattr(options, name) is None:
            setattr(options, name, value)


def _note_unserved(task: TaskName, graph: GraphKind | None = None) -> None:
    if not is_served(task, graph):
        of_kind = f" with a graph of kind {graph!r}" if graph else ""
        print(f"note: {NO_WORKER}: none has code for the task {task!r}{of_kind}", file=sys.stderr)


def _warn(manifest: Manifest) -> None:
    from onnx_models.verification.longest_call import note_of

    if is_served(manifest.task.name):  # else it was said when the export began
        _note_unserved(manifest.task.name, manifest.graph.kind)
    if "default_prompt" in manifest.export:
        print("note: the source prepends default_prompt to each text; workers do not, so clients must", file=sys.stderr)
    if note := note_of(manifest):
        print(f"note: {note}", file=sys.stderr)
    if not manifest.batch_safe:
        print("note: outputs depend on the batch composition, so workers run each row by itself", file=sys.stderr)


def _note_default(manifest: Manifest) -> None:
    """Say how the model gets the requests that name none: a new package alone changes nothing for anybody."""
    if is_served(manifest.task.name, manifest.graph.kind):
        command = f"gateway models default {manifest.task.name} {manifest.name}"
        print(
            "Requests that name it use it, once a worker serves it. To make it the default of its task, for those that "
            f"name none:\n  python -m services.{command}\n  python -m deploy.local {command}  # of `make run`"
        )


def verify(options: argparse.Namespace) -> int:
    """Compare a package with its reference again, and write the figures into its manifest."""
    package = load_package(store.resolve(options.package, options.folders))
    source = open_source(*_reference(package.manifest, options))
    from onnx_models.exporting.manifest_writer import tool_versions, write_manifest
    from onnx_models.verification.verify import DEFAULT_ATOL, verified
    from onnx_models.verification.verify import verify as compare

    atol = DEFAULT_ATOL if options.atol is None else options.atol
    figures = compare(package, source, atol=atol, min_cosine=options.min_cosine)
    figures |= {f"verified_with_{name}": version for name, version in tool_versions().items()}
    write_manifest(package.path, verified(package.manifest, figures))
    print(f"{package.path}: outputs equal those of {source.name} ({source.revision})")
    _print(figures)
    return 0


def _reference(manifest: Manifest, options: argparse.Namespace) -> tuple[str, str | None]:
    """Return source and revision of the reference: the user's, or those that the manifest states."""
    if options.reference:
        return options.reference, options.revision
    if manifest.source.startswith("package:"):
        return manifest.source, None
    # Only a source of the hub has a commit as its revision; that of a folder is a label or a checksum.
    if re.fullmatch(r"[0-9a-f]{40}", manifest.revision):
        return manifest.source, manifest.revision
    raise ExportError(f"{manifest.name} was exported from a folder ({manifest.source}): give it with --reference")


def list_packages(options: argparse.Namespace) -> int:
    """Print a line for each package; return 1 if one is invalid."""
    rows, problems = rows_of(options.folders)
    print(as_table(rows))
    for problem in problems:
        print(f"error: {problem}", file=sys.stderr)
    return 1 if problems else 0


def show(options: argparse.Namespace) -> int:
    """Print a package's manifest, explained or as JSON."""
    package = load_package(store.resolve(options.package, options.folders))
    if options.json:
        print(msgspec.json.encode(document_of(package.manifest)).decode())
    else:
        print("\n".join(described(package)))
    return 0


def add(options: argparse.Namespace) -> int:
    """Add a finished package."""
    package = store.add(options.where, options.output, sha256=options.sha256, force=options.force)
    print(f"{package.path}: added; task {package.manifest.task.name}, source {package.manifest.source}")
    _note_unserved(package.manifest.task.name, package.manifest.graph.kind)
    _note_default(package.manifest)
    return 0


def remove(options: argparse.Namespace) -> int:
    """Delete packages by name."""
    for name in options.packages:
        print(f"{store.remove(name, options.folders)}: removed")
    return 0


def recipes(options: argparse.Namespace) -> int:
    """Print the recommended models."""
    head = ("recipe", "task", "model", "size", "licence", "served by", "purpose")
    found = [recipe for recipe in read_recipes().values() if options.task in (None, recipe.task)]
    rows = [
        (r.name, r.task, r.model, f"{r.size_mb} MB", r.licence, served_by(parse_task(r.task)), r.purpose) for r in found
    ]
    print(as_table(rows, head))
    return 0


def _print(figures: Figures) -> None:
    for name, value in figures.items():
        print(f"  {name}: {value}")
