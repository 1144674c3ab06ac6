"""The argument parser: commands, options and their help. `onnx_models.command_line.commands` runs the commands."""

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeAlias, get_args

from contracts.model_package.manifest import Precision
from contracts.model_package.package import PackageError
from contracts.task_names import TaskName, parse_task
from onnx_models.command_line import commands
from onnx_models.errors import ExportError
from onnx_models.exporting.exporters import TASKS

PACKAGES = Path("onnx_models/packages")
"""Where workers look for packages by default. A running worker loads a new version at once, and a new name when it
is restarted."""
_EPILOG = """\
examples:
  python -m onnx_models recipes --task embed
  python -m onnx_models export --recipe minilm
  python -m onnx_models export ./my-model --task classify --name my-model --licence apache-2.0
  python -m onnx_models export gpt2 --task generate --name gpt2-int8 --precision int8
  python -m onnx_models show gpt2-int8
  python -m onnx_models add https://example.org/my-model.tar.gz --sha256 0f3c...
  python -m onnx_models remove gpt2-int8

export and verify need the environment of `make setup-export`; the other commands do not.
HF_HUB_OFFLINE=1 uses the local cache of the hub and no network.
"""
_SOURCE_HELP = "a folder, a hub id, or package:NAME/FOLDER inside an installed Python package; safetensors weights only"
Parsers: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status: 0 success, 1 failure with a message on stderr, 2 wrong usage."""
    options = parser().parse_args(arguments)
    # Not argparse's default, to which the action append would add the user's folders.
    if getattr(options, "folders", ()) is None:
        options.folders = [PACKAGES]
    try:
        return int(options.command(options))
    # A serving environment has neither torch nor transformers, which only export and verify need.
    except ModuleNotFoundError as error:
        print(f"error: {error.name} is not installed here; see onnx_models/requirements-export.txt", file=sys.stderr)
    except BrokenPipeError:  # an OSError, but nothing is wrong: whoever read the output has gone
        raise
    # OSError: a folder that can't be written to, a full disk; its message names the file.
    except (ExportError, PackageError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
    except KeyboardInterrupt:
        print("\nstopped; nothing was left behind", file=sys.stderr)
    return 1


def parser() -> argparse.ArgumentParser:
    """Return the argument parser; the parsed ``command`` is the function to call."""
    whole = argparse.ArgumentParser(
        prog="python -m onnx_models",
        description="Export, verify and manage model packages: folders with graphs, a tokenizer and a manifest.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parsers = whole.add_subparsers(required=True, metavar="COMMAND")
    _add_export(parsers)
    _add_verify(parsers)
    _add_reading(parsers)
    _add_keeping(parsers)
    return whole


def _command(
    parsers: Parsers, name: str, run: Callable[..., int], text: str, more: str = ""
) -> argparse.ArgumentParser:
    parser = parsers.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}. {more}")
    parser.set_defaults(command=run)
    return parser


def _add_export(parsers: Parsers) -> None:
    more = "The package is written only if its outputs equal those of torch."
    export = _command(parsers, "export", commands.export, "export a package from transformers weights", more)
    add = export.add_argument
    add("source", metavar="SOURCE", nargs="?", help=_SOURCE_HELP)
    add("--recipe", metavar="NAME", help="a recommended model instead of SOURCE, --task and --name: see recipes")
    add("--task", type=_task, metavar="TASK", help=f"the task that it serves: {', '.join(TASKS)}")
    add("--name", help="the name of the model in requests: a-z, 0-9, dot, dash, underscore")
    add("--output", type=Path, default=PACKAGES, metavar="DIR", help="folder of packages (default: %(default)s)")
    add("--revision", help="hub: branch, tag or commit, recorded as the commit; folder: any label")
    add("--licence", help="licence of the weights (default: from the model card, else unknown)")
    add("--description", help="one line on what the model is for")
    _add_graph_options(export)
    _add_task_options(export)
    _add_bounds(export)
    add("--force", action="store_true", help="replace a package of that name")


def _add_graph_options(export: argparse.ArgumentParser) -> None:
    add = export.add_argument
    add(
        "--precision",
        choices=get_args(Precision),
        default="fp32",
        help="of the weights (default: %(default)s). int8 and int4 quantise weights in blocks of 32 and are batch "
        "invariant; int8-dynamic quantises activations too, so outputs depend on the batch composition",
    )
    add(
        "--opset",
        type=_positive,
        help="ONNX opset of the graph (default: the one that the architecture was verified with)",
    )
    add(
        "--cache",
        choices=["slots", "concat"],
        help="generators: a KV cache that is updated in place (default), or optimum's, which is copied in each step",
    )


def _add_task_options(export: argparse.ArgumentParser) -> None:
    add = export.add_argument
    add(
        "--pooling",
        choices=["mean", "cls", "last_token", "none"],
        help="embed: pooling of token vectors (default: as the source says)",
    )
    add(
        "--normalize",
        action=argparse.BooleanOptionalAction,
        help="embed: scale vectors to length 1 (default: as the source says)",
    )
    add("--max-tokens", type=_positive, metavar="N", help="most tokens of one input (default: as the source says)")
    add("--languages", nargs="+", metavar="CODE", help="denoise: languages of its texts, such as en (ISO 639)")


def _add_verify(parsers: Parsers) -> None:
    more = "The figures are written into the manifest. Exits with 1 if they differ too much."
    verify = _command(parsers, "verify", commands.verify, "compare a package with its reference again", more)
    _add_package(verify)
    verify.add_argument("--reference", metavar="SOURCE", help="as SOURCE of export (default: as the manifest says)")
    verify.add_argument("--revision", help="of the reference, as of export")
    _add_bounds(verify)


def _add_reading(parsers: Parsers) -> None:
    more = "The column quality has the first figure of each; show prints all."
    listing = _command(parsers, "list", commands.list_packages, "check and list packages", more)
    listing.add_argument("folders", nargs="*", type=Path, default=[PACKAGES], help="folders of packages")
    show = _command(parsers, "show", commands.show, "print a package's manifest with explanations")
    _add_package(show)
    show.add_argument("--json", action="store_true", help="the whole manifest as JSON")
    recipes = _command(parsers, "recipes", commands.recipes, "list recommended models of the hub")
    recipes.add_argument("--task", type=_task, metavar="TASK", help="only those of one task")


def _add_keeping(parsers: Parsers) -> None:
    more = "Each file that its manifest lists must be there, with that checksum. Other files are ignored."
    add = _command(parsers, "add", commands.add, "add a finished package", more)
    add.add_argument(
        "where", metavar="URL_OR_PATH", help="a package's folder, or a .tar.gz or .zip of it: a path or an http(s) URL"
    )
    add.add_argument("--sha256", metavar="HEX", help="expected SHA-256 of the archive")
    add.add_argument(
        "--output", type=Path, default=PACKAGES, metavar="DIR", help="folder of packages (default: %(default)s)"
    )
    add.add_argument("--force", action="store_true", help="replace a package of that name")
    remove = _command(parsers, "remove", commands.remove, "delete packages")
    remove.add_argument("packages", nargs="+", metavar="NAME", help="names, or folders, of packages")
    _add_folders(remove)


def _add_package(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("package", metavar="NAME", help="a package's name, or its folder")
    _add_folders(parser)


def _add_folders(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--folder",
        dest="folders",
        action="append",
        type=Path,
        metavar="DIR",
        help=f"folder of packages; can be given more than once (default: {PACKAGES})",
    )


def _add_bounds(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--atol", type=float, help="fp32: largest difference from torch to accept (default: 1e-4)")
    parser.add_argument(
        "--min-cosine", type=float, metavar="C", help="lower precisions: smallest cosine with torch to accept"
    )


def _task(text: str) -> TaskName:
    try:
        return parse_task(text, among=TASKS)
    except ValueError as error:
        # argparse shows the message of this type only; for a ValueError it prints one of its own.
        raise argparse.ArgumentTypeError(str(error)) from error


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be 1 or more")
    return number
