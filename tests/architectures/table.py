"""The table in docs/architectures.md: ``write`` it from the results of the tests, or ``check`` it against them.

    python -m tests.architectures.table write
    python -m tests.architectures.table check [--partial]

`make architectures` runs the tests and writes, `make test-export` runs them and checks; with ``--partial``, after a run
of some tests, only the cases that ran are checked. No torch is imported here.
"""

import argparse
import json
import math
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from tests.architectures.cases import CASES, Case
from tests.support.paths import ROOT

PAGE = ROOT / "docs" / "architectures.md"
RESULTS = ROOT / "build" / "architectures"
"""The folder of the results of the cases."""
BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"
MAX_GROWTH, NEGLIGIBLE = 10, 1e-5
"""A difference deviates from the page if it is both this many times as large and larger than this.

Processors round differently, so a difference is never the same on two machines.
"""
_TOOLS = ("torch", "transformers", "optimum", "optimum-onnx", "onnx", "onnxruntime")

Result = dict[str, Any]
Key = tuple[str, str, bool]
"""Architecture, task, and whether the cache is updated in place; unique for each case."""


class Row(NamedTuple):
    """One line of the table."""

    architecture: str
    task: str
    graph: str
    in_place: str
    """``yes`` or ``no`` for models with a decoder's cache, ``-`` for others."""
    tokens: str
    """Number of greedy tokens that were compared, all equal; ``-`` for models that do not generate."""
    max_abs_diff: str

    @property
    def key(self) -> Key:
        """The key of the case."""
        return self.architecture, self.task, self.in_place == "yes"


COLUMNS = Row("Architecture", "Task", "Graph", "Cache in place", "Equal tokens", "Max abs diff")


def read_results(folder: Path = RESULTS) -> dict[str, Result]:
    """Return the results of the newest run by the id of the case, without those of earlier runs."""
    found = {path.stem: json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))}
    newest = max((result["run"] for result in found.values()), default="")
    return {case: result for case, result in found.items() if result["run"] == newest}


def key_of(case: Case) -> Key:
    """Return what tells the case from the others in the table."""
    return case.architecture, case.task, case.slots


def row_of(case: Case, result: Result) -> Row:
    """Return the line of a case that was measured."""
    graph = str(result["graph"])
    in_place = "-" if "decoder" not in graph else "yes" if graph.endswith("-slots") else "no"
    tokens, difference = str(result.get("tokens", "-")), f"{result['max_abs_diff']:.1e}"
    return Row(case.architecture, case.task, graph, in_place, tokens, difference)


def read_page(text: str) -> list[Row]:
    """Return the lines of the page's table."""
    lines = text.split(BEGIN)[1].split(END, maxsplit=1)[0].splitlines()
    cells = [[cell.strip() for cell in line.strip("| ").split("|")] for line in lines if line.startswith("|")]
    return [Row(*line) for line in cells[2:]]  # behind the head and the rule


def write(page: Path, results: dict[str, Result], cases: Sequence[Case] = CASES) -> list[str]:
    """Write the table into the page; return what is wrong with it."""
    measured = [case for case in cases if case.id in results]
    rows = [COLUMNS, Row(*("---" for _ in COLUMNS)), *(row_of(case, results[case.id]) for case in measured)]
    before, _, rest = page.read_text(encoding="utf-8").partition(BEGIN)
    head = _head([results[case.id] for case in measured])
    table = "\n".join(f"| {' | '.join(row)} |" for row in rows)
    page.write_text(f"{before}{BEGIN}\n{head}\n\n{table}\n{END}{rest.partition(END)[2]}", encoding="utf-8")
    return _not_measured(results, cases)


def check(page: Path, results: dict[str, Result], cases: Sequence[Case] = CASES, *, partial: bool = False) -> list[str]:
    """Return where the page says something else than the cases, or than what was measured."""
    stated = read_page(page.read_text(encoding="utf-8"))
    faults = [] if partial else _not_measured(results, cases)
    claimed = [key_of(case) for case in cases]
    by_key = {row.key: row for row in stated}
    if [row.key for row in stated] != claimed:
        lacking, spare = sorted(set(claimed) - set(by_key)), sorted(set(by_key) - set(claimed))
        faults.append(f"the table's lines are not the cases in their order; it lacks {lacking}, it has besides {spare}")
    for case in cases:
        if case.id in results and key_of(case) in by_key:
            faults += _differences(by_key[key_of(case)], row_of(case, results[case.id]))
    return faults


def _differences(stated: Row, found: Row) -> list[str]:
    name = f"{stated.architecture} {stated.task}"
    faults = [
        f"{name}: {column.lower()} is {now}, the table says {before}"
        for column, before, now in zip(COLUMNS[2:4], stated[2:4], found[2:4], strict=True)
        if before != now
    ]
    before, now = float(stated.max_abs_diff), float(found.max_abs_diff)
    if math.isnan(now) or now > max(MAX_GROWTH * before, NEGLIGIBLE):
        faults.append(f"{name}: the difference is {now:.1e}, the table says {before:.1e}")
    return faults


def _not_measured(results: dict[str, Result], cases: Sequence[Case]) -> list[str]:
    missing = [case.id for case in cases if case.id not in results]
    return [f"not measured in the last run: {', '.join(missing)}"] if missing else []


def _head(results: list[Result]) -> str:
    """Return the sentence above the table: when, and with what."""
    if not results:
        return "Nothing was measured."
    last = max(results, key=lambda result: str(result["date"]))
    tools = ", ".join(f"{name} {last['versions'][name]}" for name in _TOOLS)
    return f"Measured on {last['date']} with {tools}."


def main() -> int:
    """Run one command; return 1 and say why if the page and the tests don't agree."""
    parser = argparse.ArgumentParser(prog="python -m tests.architectures.table")
    parser.add_argument("command", choices=["write", "check"])
    parser.add_argument("--partial", action="store_true", help="check only the cases that the last run had")
    arguments = parser.parse_args()
    results = read_results()
    faults = write(PAGE, results) if arguments.command == "write" else check(PAGE, results, partial=arguments.partial)
    for fault in faults:
        print(f"{PAGE.relative_to(ROOT)}: {fault}", file=sys.stderr)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
