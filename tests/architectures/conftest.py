"""Tiny sources and their packages, each created once per session."""

import importlib
import json
import os
import time
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from contracts.model_package.package import ModelPackage
from tests.architectures.cases import Case
from tests.architectures.table import RESULTS

PackageOf = Callable[..., ModelPackage]
RUN = "ARCHITECTURES_RUN"
"""Environment variable with the mark of this run's results."""
collect_ignore_glob = [] if find_spec("torch") else ["test_*.py", "*/test_*.py"]


def pytest_configure() -> None:
    """Choose the mark of the run before pytest-xdist starts its processes, which must all use the same one."""
    os.environ.setdefault(RUN, f"{time.time():.0f}-{os.getpid()}")


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> Iterator[None]:
    """Tiny operators take microseconds; two threads that wait for each other on a busy machine take far more."""
    import torch

    torch.set_num_threads(1)
    yield


@pytest.fixture(scope="session")
def source_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Return the folder of a tiny source, written on first use, by the name that a case has in ``build``."""
    folder = tmp_path_factory.mktemp("sources")

    def make(build: str) -> Path:
        path = folder / build.replace(":", "-")
        if not path.exists():
            module, function, *arguments = build.split(":")
            path.mkdir()
            getattr(importlib.import_module(f"tests.architectures.zoo.{module}"), function)(path, *arguments)
        return path

    return make


@pytest.fixture(scope="session")
def package_of(source_of: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory) -> PackageOf:
    """Return the package of a tiny decoder, exported and verified on first use, by cache and precision."""
    from onnx_models.exporting.export import export_package
    from onnx_models.exporting.exporters import ExportRequest
    from onnx_models.exporting.sources import open_source

    made: dict[tuple[str, str, str], ModelPackage] = {}
    output = tmp_path_factory.mktemp("packages")

    def make(build: str, cache: str = "slots", precision: str = "fp32") -> ModelPackage:
        if (build, cache, precision) not in made:
            request = ExportRequest(
                source=open_source(str(source_of(f"decoders:{build}"))),
                task="generate",
                name=f"{build}-{cache}-{precision}",
                output=output,
                cache=cache,  # type: ignore[arg-type]
                precision=precision,  # type: ignore[arg-type]
            )
            made[build, cache, precision] = export_package(request)
        return made[build, cache, precision]

    return make


@pytest.fixture(scope="session")
def seq2seq_package_of(source_of: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory) -> PackageOf:
    """Return the package of a tiny encoder-decoder, exported and verified on first use, by source and cache."""
    from onnx_models.exporting.export import export_package
    from onnx_models.exporting.exporters import ExportRequest
    from onnx_models.exporting.sources import open_source

    made: dict[tuple[str, str], ModelPackage] = {}
    output = tmp_path_factory.mktemp("seq2seq")

    def make(build: str, task: str, cache: str = "slots") -> ModelPackage:
        if (build, cache) not in made:
            request = ExportRequest(
                source=open_source(str(source_of(build))),
                task=task,  # type: ignore[arg-type]
                name=f"seq2seq-{len(made)}",
                output=output,
                cache=cache,  # type: ignore[arg-type]
            )
            made[build, cache] = export_package(request)
        return made[build, cache]

    return make


@pytest.fixture(scope="session")
def record() -> Callable[[Case, dict[str, object]], None]:
    """Write the figures for the table, marked with this run."""
    from onnx_models.exporting.manifest_writer import tool_versions

    RESULTS.mkdir(parents=True, exist_ok=True)
    run = os.environ[RUN]

    def write(case: Case, figures: dict[str, object]) -> None:
        entry = {"architecture": case.architecture, "task": case.task, "run": run, "versions": tool_versions()}
        (RESULTS / f"{case.id}.json").write_text(json.dumps(entry | figures))

    return write
