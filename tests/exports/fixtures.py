"""Fixtures of the export tests: the interpreter with torch, tiny models, and their packages."""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.exports.export_process import ExportProcess
from tests.support.paths import ROOT

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
    """The result of a command."""

    status: int
    stdout: str
    stderr: str


Run = Callable[[list[list[str]]], list[Done]]


@pytest.fixture(scope="session")
def export_python() -> Path:
    """The interpreter of the export environment; without it, tests are skipped, and fail in CI."""
    if not EXPORT_PYTHON.exists():
        message = ".venv-export is missing: make it from onnx_models/requirements-export.txt"
        pytest.fail(message) if os.environ.get("CI") else pytest.skip(message)
    return EXPORT_PYTHON


@pytest.fixture(scope="session")
def export_process(export_python: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ExportProcess]:
    """The process of the export environment that makes and exports models for all tests."""
    process = ExportProcess(export_python, tmp_path_factory.mktemp("export-process") / "stderr.log")
    yield process
    process.close()


@pytest.fixture(scope="session")
def run(export_process: ExportProcess) -> Run:
    """Run command lines of `onnx_models` one after another."""

    def run_all(commands: list[list[str]]) -> list[Done]:
        return [Done(**export_process.call("tests.exports.export_process", "run_command", each)) for each in commands]

    return run_all


@pytest.fixture(scope="session")
def sources(export_process: ExportProcess, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of tiny random transformers models, by name of their architecture and task."""
    folder = tmp_path_factory.mktemp("sources")
    export_process.call("tests.exports.tiny_models", "write_models", str(folder))
    return folder


@pytest.fixture(scope="session")
def exported(run: Run, sources: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the packages of the tiny models."""
    output = tmp_path_factory.mktemp("packages")
    commands = [
        ["export", str(sources / name), "--name", name, "--output", str(output), *options]
        for name, options in EXPORTS.items()
    ]
    for command, done in zip(commands, run(commands), strict=True):
        assert done.status == 0, f"{command}: {done.stderr}"
    return output
