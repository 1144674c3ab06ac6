"""The command line: what each command and option means. Heavy libraries are imported by the command that needs them."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import get_args

from onnx_models.catalogue import as_table, rows_of
from onnx_models.errors import ExportError
from onnx_models.kind import TASKS
from workers.runtime.manifest import Precision
from workers.runtime.model_package import PackageError, load_package

PACKAGES = Path("onnx_models/packages")
"""Where workers look for packages by default, so that what is exported here is served after a restart."""
_EPILOG = """\
examples:
  python -m onnx_models export ./my-model --task embed --name my-model --licence apache-2.0
  python -m onnx_models export sentence-transformers/all-MiniLM-L6-v2 --task embed --name minilm
  python -m onnx_models verify onnx_models/packages/minilm --reference sentence-transformers/all-MiniLM-L6-v2
  python -m onnx_models list

export and verify need the environment of onnx_models/requirements-export.txt; list does not.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status: 0 done, 1 failed with a message on stderr, 2 wrong usage."""
    options = _parser().parse_args(arguments)
    try:
        return int(options.command(options))
    except ModuleNotFoundError as error:
        print(f"error: {error.name} is not installed here; see onnx_models/requirements-export.txt", file=sys.stderr)
    except (ExportError, PackageError) as error:
        print(f"error: {error}", file=sys.stderr)
    return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m onnx_models",
        description="Make, check and list model packages: folders with a graph, a tokenizer and a manifest.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(required=True, metavar="export|verify|list")
    _add_export(commands)
    _add_verify(commands)
    listing = commands.add_parser("list", help="check and list packages", description="Check and list packages.")
    listing.add_argument("folders", nargs="*", type=Path, default=[PACKAGES], help="folders that packages lie in")
    listing.set_defaults(command=_list)
    return parser


def _add_export(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    export = commands.add_parser(
        "export",
        help="make a package from transformers weights, verified against torch",
        description="Make OUTPUT/NAME from transformers weights. It appears only when ONNX answers as torch does.",
    )
    add = export.add_argument
    add(
        "source", metavar="SOURCE", help="a folder, a hub id, or package:NAME/FOLDER inside an installed Python package"
    )
    add("--task", required=True, choices=TASKS, metavar="TASK", help=f"what jobs it serves: {', '.join(TASKS)}")
    add("--precision", choices=get_args(Precision), default="fp32", help="of the weights (default: %(default)s)")
    add("--opset", type=_positive, help="ONNX opset of the graph (default: what the architecture was proved with)")
    add("--cache", choices=["slots", "concat"], default="slots", help="decoders: how past tokens are kept")
    add("--name", required=True, help="the name that jobs ask for: a-z, 0-9, dot, dash, underscore")
    add("--output", type=Path, default=PACKAGES, metavar="DIR", help="where packages lie (default: %(default)s)")
    add(
        "--pooling",
        choices=["mean", "cls", "last_token", "none"],
        help="how token vectors become one (default: as the source says)",
    )
    add(
        "--normalize", action=argparse.BooleanOptionalAction, help="give vectors length 1 (default: as the source says)"
    )
    add("--max-tokens", type=_positive, metavar="N", help="most tokens of one input (default: as the source says)")
    add("--revision", help="hub: branch, tag or commit, recorded as the commit; folder: a label of yours")
    add("--licence", help="licence of the weights (default: from the model card, else unknown)")
    add("--description", default="", help="one line on what the model is good for")
    add("--atol", type=float, help="largest difference from torch that passes (default: 1e-4)")
    add("--min-cosine", type=float, metavar="C", help="smallest cosine with torch that a lower precision may have")
    add("--force", action="store_true", help="replace a package of that name")
    export.set_defaults(command=_export)


def _add_verify(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    verify = commands.add_parser(
        "verify",
        help="compare a package with torch again",
        description="Compare a package with the torch model that it should answer like.",
    )
    verify.add_argument("package", type=Path, metavar="PACKAGE", help="the package's folder")
    verify.add_argument("--reference", required=True, metavar="SOURCE", help="as SOURCE of export")
    verify.add_argument("--revision", help="as of export")
    verify.add_argument("--atol", type=float, help="largest difference that passes (default: 1e-4)")
    verify.add_argument("--min-cosine", type=float, metavar="C", help="as of export")
    verify.set_defaults(command=_verify)


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be 1 or more")
    return number


def _export(options: argparse.Namespace) -> int:
    from onnx_models.source import open_source

    source = open_source(options.source, options.revision)  # before torch: a mistyped name is told at once
    from onnx_models.export import export_package
    from onnx_models.kind import ExportRequest
    from onnx_models.verify import DEFAULT_ATOL

    request = ExportRequest(
        source=source,
        name=options.name,
        task=options.task,
        precision=options.precision,
        opset=options.opset,
        cache=options.cache,
        output=options.output,
        pooling=options.pooling,
        normalize=options.normalize,
        max_tokens=options.max_tokens,
        licence=options.licence,
        description=options.description,
        atol=DEFAULT_ATOL if options.atol is None else options.atol,
        force=options.force,
    )
    package = export_package(request, min_cosine=options.min_cosine)
    print(f"{package.path}: exported and verified")
    for name, value in (package.manifest.export | package.manifest.verified).items():
        print(f"  {name}: {value}")
    if "default_prompt" in package.manifest.export:
        print("  the source puts default_prompt before each text; workers do not, so clients have to", file=sys.stderr)
    return 0


def _verify(options: argparse.Namespace) -> int:
    from onnx_models.source import open_source

    package = load_package(options.package)
    source = open_source(options.reference, options.revision)
    from onnx_models.verify import DEFAULT_ATOL, verify

    figures = verify(
        package, source, atol=DEFAULT_ATOL if options.atol is None else options.atol, min_cosine=options.min_cosine
    )
    print(f"{package.path}: answers as {source.name} ({source.revision})")
    for name, value in figures.items():
        print(f"  {name}: {value}")
    return 0


def _list(options: argparse.Namespace) -> int:
    rows, problems = rows_of(options.folders)
    print(as_table(rows))
    for problem in problems:
        print(f"error: {problem}", file=sys.stderr)
    return 1 if problems else 0
