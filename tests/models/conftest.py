"""Fixtures of the export tests: the interpreter that has torch, tiny models, and packages made from them."""

import json
import os
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.waiting import PROGRAM_S

ROOT = Path(__file__).parents[2]
EXPORT_PYTHON = ROOT / ".venv-export" / "bin" / "python"
EXPORTS = {
    "bert_embed": ["--task", "embed"],
    "roberta_embed": ["--task", "embed", "--pooling", "cls"],
    "modernbert_embed": ["--task", "embed", "--pooling", "last_token", "--licence", "apache-2.0"],
    "bert_classify": ["--task", "classify", "--max-tokens", "32", "--description", "a test"],
    "distilbert_classify": ["--task", "classify"],
    "mpnet_classify": ["--task", "classify"],
}


@dataclass(frozen=True)
class Done:
    """What a command did."""

    status: int
    stdout: str
    stderr: str


Run = Callable[[list[list[str]]], list[Done]]


@pytest.fixture(scope="session")
def export_python() -> Path:
    """The interpreter of the export environment; without it a laptop skips and CI fails."""
    if not EXPORT_PYTHON.exists():
        message = ".venv-export is missing: make it from onnx_models/requirements-export.txt"
        pytest.fail(message) if os.environ.get("CI") else pytest.skip(message)
    return EXPORT_PYTHON


@pytest.fixture(scope="session")
def run(export_python: Path) -> Run:
    """Run command lines of `onnx_models`, all in one process of the export environment."""

    def run_all(commands: list[list[str]]) -> list[Done]:
        process = subprocess.run(
            [export_python, "-m", "tests.models.many_commands"],
            cwd=ROOT, input=json.dumps(commands), capture_output=True, text=True, timeout=PROGRAM_S, check=False,
        )  # fmt: skip
        assert process.returncode == 0, process.stderr
        return [Done(**result) for result in json.loads(process.stdout.splitlines()[-1])]

    return run_all


@pytest.fixture(scope="session")
def sources(export_python: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of tiny random transformers models, by name of their architecture and task."""
    folder = tmp_path_factory.mktemp("sources")
    command = [export_python, "-m", "tests.models.tiny_models", folder]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, timeout=PROGRAM_S)
    return folder


@pytest.fixture(scope="session")
def exported(run: Run, sources: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of packages made from the tiny models."""
    output = tmp_path_factory.mktemp("packages")
    commands = [
        ["export", str(sources / name), "--name", name, "--output", str(output), *options]
        for name, options in EXPORTS.items()
    ]
    for command, done in zip(commands, run(commands), strict=True):
        assert done.status == 0, f"{command}: {done.stderr}"
    return output
