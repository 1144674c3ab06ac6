"""The newest Python of this machine, with what the product needs at run time: users have other versions than we."""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.support.paths import ROOT
from tests.support.waiting import PROGRAM_S

_LOCK = ROOT / "deploy" / "requirements" / "runtime.txt"


def newest_python() -> tuple[Path | None, str]:
    """Return an interpreter of the newest Python at hand, or None with the reason why there is none.

    Its environment is made in ``build/`` once, and again when the lock changes.
    """
    found = {version: path for path in _candidates() if (version := _version_of(path)) > sys.version_info[:2]}
    if not found:
        return None, f"no Python newer than {sys.version_info[0]}.{sys.version_info[1]} on this machine"
    version = max(found)
    folder = ROOT / "build" / f"python{version[0]}.{version[1]}"
    folder.parent.mkdir(exist_ok=True)
    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # other test runs may share the folder
        problem = _make(found[version], folder)
    return (None, problem) if problem else (folder / "bin" / "python", "")


def _candidates() -> Iterator[Path]:
    for minor in range(30, 11, -1):
        if path := shutil.which(f"python3.{minor}"):
            yield Path(path)
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    yield from pyenv.glob("versions/3.*/bin/python3")


def _version_of(python: Path) -> tuple[int, ...]:
    """Return (3, minor), or () for what can't be run, as the links that some version managers make."""
    program = "import sys; print(*sys.version_info[:2]) if sys.version_info.releaselevel == 'final' else None"
    done = subprocess.run([python, "-c", program], capture_output=True, text=True, check=False)
    return tuple(map(int, done.stdout.split())) if done.returncode == 0 else ()


def _make(python: Path, folder: Path) -> str:
    """Make the environment if there is none for this lock; return what went wrong, or an empty text."""
    stamp, digest = folder / "lock.sha256", hashlib.sha256(_LOCK.read_bytes()).hexdigest()
    if stamp.is_file() and stamp.read_text() == digest:
        return ""
    shutil.rmtree(folder, ignore_errors=True)
    install = "-m pip install --quiet --disable-pip-version-check --no-compile --no-deps --require-hashes -r"
    for command in ([python, "-m", "venv", folder], [folder / "bin" / "python", *install.split(), _LOCK]):
        done = subprocess.run(command, capture_output=True, text=True, timeout=PROGRAM_S, check=False)
        if done.returncode:
            return f"{python} has no environment: {done.stderr.strip().splitlines()[-1:]}"
    stamp.write_text(digest)
    return ""
