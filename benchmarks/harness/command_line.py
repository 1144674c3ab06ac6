"""The command line that all benchmark programs share."""

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

ALL = "all"
_CLOSING = "Close other programs first. benchmarks/README.md explains the figures."


@dataclass(frozen=True)
class Arguments:
    """The parsed command line."""

    figures: Sequence[str]
    models: Sequence[str]
    """Keys of the models; empty for a program that measures one model only."""
    quick: bool
    json: Path | None

    def includes(self, *figures: str) -> bool:
        """Return whether at least one of these figures is requested."""
        return not set(figures).isdisjoint(self.figures)


def read_arguments(
    module: str,
    subject: str,
    *,
    figures: Mapping[str, str],
    examples: Mapping[str, str],
    models: Sequence[str] = (),
    default_models: Sequence[str] = (),
) -> Arguments:
    """Read the command line; a wrong one ends the program with status 2.

    Args:
        module: the program.
        subject: what it measures, in words.
        figures: every figure, and what it is.
        examples: arguments, and what they do.
        models: keys of all models, if there is a choice.
        default_models: those that are measured by default.
    """
    parser = argparse.ArgumentParser(
        prog=f"python -m {module}",
        description=f"Measure {subject} against ceilings and peers in the same run.",
        epilog=_epilog(module, figures, examples),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("figures", nargs="*", metavar="FIGURE", help=f"{', '.join(figures)}, or {ALL} (the default)")
    if models:
        default = ",".join(default_models)
        if models:  # one that measures a single model must refuse the option, and not ignore it
            add("--models", default=default, metavar="NAMES", help=f"of {', '.join(models)} (default: %(default)s)")
    add("--quick", action="store_true", help="a small run; its numbers are rough")
    add("--json", type=Path, metavar="FILE", help="also write the figures to FILE")
    found = parser.parse_args()
    chosen = found.models.split(",") if models else []
    for given, known in ((set(found.figures) - {ALL}, figures), (set(chosen), models)):
        if unknown := given - set(known):
            parser.error(f"unknown: {', '.join(sorted(unknown))}; choose from {', '.join(known)}")
    everything = not found.figures or ALL in found.figures
    return Arguments(list(figures) if everything else found.figures, chosen, found.quick, found.json)


def _epilog(module: str, figures: Mapping[str, str], examples: Mapping[str, str]) -> str:
    commands = {f"python -m {module} {arguments}".rstrip(): words for arguments, words in examples.items()}
    return "\n\n".join(["figures:\n" + _columns(figures), "examples:\n" + _columns(commands), _CLOSING])


def _columns(rows: Mapping[str, str]) -> str:
    width = max(map(len, rows))
    return "\n".join(f"  {left:{width}}  {right}" for left, right in rows.items())
