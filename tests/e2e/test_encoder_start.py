"""`python -m workers.encoder` on a configuration that can't work: exit status 2 and one line that says why."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.encoder_hand import ROOT
from tests.support.tiny_package import write_package


def start(*arguments: str, **settings: str) -> "subprocess.CompletedProcess[str]":
    kept = {name: value for name, value in os.environ.items() if not name.startswith("TRIPTYCH_")}
    command = [sys.executable, "-m", "workers.encoder", *arguments]
    return subprocess.run(
        command, cwd=ROOT, env=kept | settings, capture_output=True, text=True, timeout=60, check=False
    )


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"TRIPTYCH_DEVICE": "cuda", "TRIPTYCH_MODELS_DIR": "{packages}"}, "asked for cuda, but"),
        ({"TRIPTYCH_DEVICE": "tpu"}, "TRIPTYCH_DEVICE=tpu: expected cpu or cuda"),
        ({"TRIPTYCH_MODELS_DIR": "/nonexistent"}, "no model package at all in /nonexistent"),
        ({"TRIPTYCH_MODELS_DIR": "{packages}", "TRIPTYCH_MODELS": "nope"}, "no model package nope in"),
        ({"TRIPTYCH_THREADS": "0"}, "TRIPTYCH_THREADS=0: expected a number from 1"),
        ({"TRIPTYCH_MODELS_DIR": "{broken}"}, "model.onnx: SHA-256 differs from the manifest"),
    ],
)
def test_it_says_in_one_line_why_it_cannot_start(tmp_path: Path, settings: dict[str, str], expected: str) -> None:
    write_package(tmp_path / "packages" / "tiny")
    (write_package(tmp_path / "broken" / "tiny") / "model.onnx").write_bytes(b"something else")
    filled = {
        name: value.format(packages=tmp_path / "packages", broken=tmp_path / "broken")
        for name, value in settings.items()
    }
    done = start(**filled)
    assert done.returncode == 2
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert line.startswith("encoder worker: ") and expected in line


def test_its_help_names_the_settings_that_matter_first() -> None:
    done = start("--help")
    assert done.returncode == 0
    for name in ("TRIPTYCH_REDIS_URL", "TRIPTYCH_MODELS_DIR", "TRIPTYCH_DEVICE"):
        assert name in done.stdout
