"""Lint, format, types, import rules and sizes, which CONTRIBUTING.md requires of each change."""

import ast
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.paths import ROOT
from tests.support.waiting import PROGRAM_S

ROOMS = ("contracts", "services", "workers", "onnx_models", "deploy", "benchmarks")
MAX_FILE_LINES = 400
MAX_FUNCTION_LINES = 40
CHECKS = {
    "lint": [sys.executable, "-m", "ruff", "check", "."],
    "format": [sys.executable, "-m", "ruff", "format", "--check", "."],
    "types": [sys.executable, "-m", "mypy"],
    "imports": [shutil.which("lint-imports", path=str(Path(sys.executable).parent)) or "lint-imports"],
}


@pytest.mark.parametrize("check", CHECKS)
def test_the_source_tree_passes_the_check(check: str) -> None:
    done = subprocess.run(CHECKS[check], cwd=ROOT, capture_output=True, text=True, timeout=PROGRAM_S, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def sources() -> list[Path]:
    """Return the Python files of all rooms."""
    return [path for room in ROOMS for path in sorted((ROOT / room).rglob("*.py"))]


@pytest.mark.parametrize("path", sources(), ids=lambda path: str(path.relative_to(ROOT)))
def test_files_and_functions_are_short(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert text.count("\n") <= MAX_FILE_LINES
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef):
            length = (node.end_lineno or 0) - node.lineno + 1
            assert length <= MAX_FUNCTION_LINES, f"{node.name} has {length} lines"
