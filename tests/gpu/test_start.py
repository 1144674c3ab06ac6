"""The GPU worker starts as far as that goes without a card: from CUDA and cuDNN only the driver is missing.

Needs the environment of deploy/requirements/worker-gpu.txt, of 2.5 GB: `make test-gpu-start` makes it and runs this.
"""

import os
import re
import subprocess
from ctypes.util import find_library
from pathlib import Path

import pytest

from tests.support.paths import ROOT
from tests.support.waiting import PROGRAM_S

PYTHON = ROOT / ".venv-gpu" / "bin" / "python"
pytestmark = [
    pytest.mark.skipif(not PYTHON.exists(), reason="no .venv-gpu: make test-gpu-start"),
    pytest.mark.skipif(find_library("cuda") is not None, reason="this machine has NVIDIA's driver"),
]
PRELOADED = "from workers.runtime.inference import cuda; cuda.preload(); print(cuda.why_unavailable())"
NOT_PRELOADED = PRELOADED.replace("cuda.preload(); ", "")


def run(*arguments: str, **variables: str) -> "subprocess.CompletedProcess[str]":
    environment = {"PATH": os.environ["PATH"], **variables}
    return subprocess.run(
        [PYTHON, *arguments], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=PROGRAM_S, check=False
    )


def test_after_preloading_only_the_driver_is_missing() -> None:
    assert "NVIDIA's driver is missing (libcuda.so.1)" in run("-c", PRELOADED).stdout


def test_without_preloading_a_wheel_is_not_found() -> None:
    """If this fails, the dynamic loader finds the wheels by itself, and preloading is needed no more."""
    assert "libcublasLt.so.13 is missing; install its wheel nvidia-cublas," in run("-c", NOT_PRELOADED).stdout


@pytest.mark.parametrize("family", ["encoder", "decoder", "seq2seq"])
def test_a_worker_names_what_is_missing(family: str) -> None:
    done = run("-m", f"workers.{family}", TRIPTYCH_DEVICE="cuda", TRIPTYCH_REDIS_URL="redis://127.0.0.1:1/0")
    assert done.returncode == 2
    assert "ONNX Runtime runs on CPUExecutionProvider: NVIDIA's driver is missing (libcuda.so.1)" in done.stderr
    assert "Traceback" not in done.stderr


def packages_without(library: str, folder: Path) -> Path:
    """Link all packages of the environment into a folder, without one library of CUDA."""
    (installed,) = (ROOT / ".venv-gpu" / "lib").glob("python3.*/site-packages")
    for path in installed.iterdir():
        if path.name != "nvidia":
            (folder / path.name).symlink_to(path)
    for path in (installed / "nvidia").glob("*/lib/*.so*"):
        if not path.name.startswith(library):
            link = folder / path.relative_to(installed)
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(path)
    return folder


@pytest.mark.parametrize(("library", "wheel"), [("libcublas", "nvidia-cublas"), ("libcurand", "nvidia-curand")])
def test_a_missing_wheel_is_not_blamed_on_the_driver(library: str, wheel: str, tmp_path: Path) -> None:
    packages = packages_without(library, tmp_path)
    done = run("-S", "-c", PRELOADED, PYTHONPATH=str(packages))
    assert re.match(rf"{library}\S+ is missing; install its wheel {wheel},", done.stdout), done.stderr
