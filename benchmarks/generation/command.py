"""The command line of the benchmarks of models that write."""

import argparse
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Arguments:
    """What was asked for."""

    figures: list[str]
    models: list[str]
    quick: bool
    json: Path | None


def read_arguments(
    module: str, measured: str, *, figures: Sequence[str], models: Collection[str], usual: Sequence[str], more: str
) -> Arguments:
    """Read the command line; a wrong one ends the program with status 2.

    Args:
        module: the program.
        measured: what it measures, in words.
        figures: all that there are.
        models: all that there are.
        usual: those that are measured by default.
        more: explanations and examples.
    """
    parser = argparse.ArgumentParser(
        prog=f"python -m {module}",
        description=f"Measure {measured} against ceilings and peers in the same run.",
        epilog=more,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("figures", nargs="*", metavar="FIGURE", help=f"{', '.join(figures)} (all by default)")
    add("--models", default=",".join(usual), metavar="NAMES", help=f"of {', '.join(models)} (default: %(default)s)")
    add("--quick", action="store_true", help="a small run of everything; its numbers are rough")
    add("--json", type=Path, metavar="FILE", help="also write the figures to FILE")
    found = parser.parse_args()
    arguments = Arguments(found.figures or list(figures), found.models.split(","), found.quick, found.json)
    for given, known in ((arguments.figures, figures), (arguments.models, models)):
        if unknown := set(given) - set(known):
            parser.error(f"no {', '.join(sorted(unknown))}; there are {', '.join(known)}")
    return arguments
