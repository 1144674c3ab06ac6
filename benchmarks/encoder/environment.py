"""Figure 4, last part: the disk space of a serving environment, made from the runtime lock and nothing else."""

import os
import re
import subprocess
import sys
import tempfile
from importlib.metadata import PackageNotFoundError, files
from pathlib import Path

from benchmarks.harness.report import BenchError, Figure
from benchmarks.harness.stack import ROOT

LOCK = ROOT / "deploy" / "requirements" / "runtime.txt"
LIMIT_MB = 260.0
INSTALL_S = 600.0
TITLE = "4. A serving environment, installed: gateway, encoder worker and embedded store"
_ROOMS = ("services.gateway.app", "services.gateway.server.application", "workers.encoder.tasks")
IMPORTS = f"import {', '.join(_ROOMS)}, workers.runtime.process.worker"
_PINNED = re.compile(r"^([A-Za-z0-9._-]+)==", re.MULTILINE)


def measure() -> list[Figure]:
    """Return the size on disk of a fresh environment, installed as `make setup` does it."""
    with tempfile.TemporaryDirectory(prefix="triptych-bench-") as folder:
        venv = Path(folder) / "venv"
        python = str(venv / "bin" / "python")
        _run([sys.executable, "-m", "venv", str(venv)])
        # --no-compile: bytecode is not installed but written by the first import, which is measured separately.
        options = ["--quiet", "--disable-pip-version-check", "--no-compile", "--no-deps", "--require-hashes"]
        _run([python, "-m", "pip", "install", *options, "-r", str(LOCK)])
        installed = _disk_mb(venv)
        _run([python, "-c", IMPORTS])
        parts = [
            f"disk blocks of a new environment from {LOCK.relative_to(ROOT)}, pip included",
            f"after importing what serves, which writes bytecode: {_disk_mb(venv):.1f} MB",
        ]
    return [Figure("environment", TITLE, installed, "MB", "at most", LIMIT_MB, parts)]


def estimate() -> list[Figure]:
    """Return an estimate without an installation: the files of the lock's packages in this environment."""
    sizes = [_installed_mb(name) for name in _PINNED.findall(LOCK.read_text())]
    found = [size for size in sizes if size is not None]
    parts = [f"estimate: {len(found)} of the lock's {len(sizes)} packages as installed here; without pip and bytecode"]
    return [Figure("environment", TITLE, sum(found), "MB", "at most", LIMIT_MB, parts)]


def _run(command: list[str]) -> None:
    # With this variable of the caller, the size after the first import would lack the bytecode.
    env = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=INSTALL_S, check=False)
    if done.returncode:
        raise BenchError(f"{' '.join(command[1:4])} … failed:\n{done.stderr[-1000:]}")


def _disk_mb(folder: Path) -> float:
    """Return the disk space of a folder as ``du`` counts it, in MB (10^6 bytes)."""
    seen: dict[tuple[int, int], int] = {}
    for path, folders, names in os.walk(folder):
        for name in [*folders, *names]:
            status = (Path(path) / name).lstat()
            # By inode, because hard links share their blocks.
            seen[status.st_dev, status.st_ino] = 512 * status.st_blocks
    return sum(seen.values()) / 1e6


def _installed_mb(name: str) -> float | None:
    try:
        listed = files(name) or []
    except PackageNotFoundError:
        return None
    paths = [Path(str(file.locate())) for file in listed if file.suffix != ".pyc"]
    return sum(path.stat().st_size for path in paths if path.is_file()) / 1e6
