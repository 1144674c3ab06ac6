"""The Makefile: every target has a line of help, CI runs two of them, and an old Python is refused with a reason."""

import os
import re
import shutil
import subprocess
import time
from pathlib import Path

import pytest
import yaml

from tests.support.paths import ROOT
from tests.support.waiting import PATIENCE_S

TARGETS = {
    "setup",
    "demo",
    "run",
    "test",
    "test-unit",
    "test-export",
    "check",
    "format",
    "bench",
    "bench-decoder",
    "export",
    "recipes",
    "minilm",
    "lock",
    "env-example",
    "commit-subject",
}


def _make(*arguments: str, cwd: Path = ROOT) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        ["make", *arguments], cwd=cwd, capture_output=True, text=True, timeout=PATIENCE_S, check=False
    )


def test_make_alone_lists_the_commands() -> None:
    listed = dict(re.findall(r"^  make (\S+) +(.+)$", _make().stdout, re.MULTILINE))
    assert set(listed) >= TARGETS
    phony = re.search(r"^\.PHONY: (.+)$", (ROOT / "Makefile").read_text(), re.MULTILINE)[1].split()
    assert set(phony) - {"ready-for-tests"} == set(listed)


def test_ci_runs_two_commands_and_nothing_else() -> None:
    script = (ROOT / ".ci" / "run").read_text().splitlines()
    commands = [line for line in script if line and not line.startswith("#")]
    assert commands == ["set -euo pipefail", 'cd "$(dirname "$0")/.."', "make test", "make test-export"]
    assert (ROOT / ".ci" / "run").stat().st_mode & 0o111


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A folder with the files that an installation needs, where nothing is installed yet."""
    shutil.copy(ROOT / "Makefile", tmp_path)
    shutil.copytree(ROOT / "deploy" / "requirements", tmp_path / "deploy" / "requirements")
    return tmp_path


def test_a_python_that_is_too_old_or_missing_is_refused_with_the_reason(checkout: Path) -> None:
    old = checkout / "old-python"
    old.write_text("#!/bin/sh\nexit 1\n")
    old.chmod(0o755)
    for python in (str(old), "no-such-python"):
        answer = _make("setup", f"PYTHON={python}", cwd=checkout)
        assert answer.returncode != 0
        assert f"Triptych needs Python 3.11 or newer, and '{python}' is older or missing" in answer.stderr
        assert not (checkout / ".venv").exists()


def test_an_installation_is_repeated_only_when_its_lock_has_changed(checkout: Path) -> None:
    assert "pip install" in _make("--dry-run", "setup", cwd=checkout).stdout
    (checkout / ".venv" / "bin").mkdir(parents=True)
    (checkout / ".venv" / "bin" / "python").touch()
    (checkout / ".venv" / ".runtime").touch()
    assert "pip install" not in _make("--dry-run", "setup", cwd=checkout).stdout
    later = time.time() + 10
    os.utime(checkout / "deploy" / "requirements" / "runtime.txt", (later, later))
    assert "pip install" in _make("--dry-run", "setup", cwd=checkout).stdout


def test_every_hook_calls_a_target_that_exists() -> None:
    """The hooks of pre-commit are thin, so that a hook and a terminal run the same commands."""
    config = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())
    hooks = [hook for repository in config["repos"] for hook in repository["hooks"]]
    targets = {re.search(r"\bmake (?:--\S+ )*([a-z-]+)", hook["entry"])[1] for hook in hooks}
    assert targets == {"check", "test-unit", "commit-subject"}
    assert targets <= set(re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    stages = {stage for hook in hooks for stage in hook["stages"]}
    assert stages == set(config["default_install_hook_types"])


@pytest.mark.parametrize(
    ("message", "complaint"),
    [
        ("Add a limit on open streams\n\nBecause.", ""),
        ("\n# a comment\nProcess events in order\n", ""),
        ("Merge branch 'main' into fix.", ""),
        ("Add " + "x" * 68, ""),
        ("Add " + "x" * 69, "longer than 72"),
        ("", "is empty"),
        ("# only a comment", "is empty"),
        ("Add a limit.", "full stop"),
        ("add a limit", "capital letter"),
        ("Added a limit", "imperative"),
        ("Adds a limit", "imperative"),
        ("Adding a limit", "imperative"),
        ("The limit on streams", "imperative"),
    ],
)
def test_a_commit_subject_is_a_short_imperative(message: str, complaint: str, tmp_path: Path) -> None:
    (tmp_path / "message").write_text(message)
    answer = _make("--silent", "commit-subject", f"FILE={tmp_path / 'message'}")
    assert (answer.returncode == 0) == (not complaint)
    assert complaint in answer.stderr
