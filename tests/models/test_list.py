"""`python -m onnx_models list` and help, run by an interpreter that has no torch."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

from tests.models.conftest import ROOT


def onnx_models(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "onnx_models", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)


def test_list_shows_the_starters() -> None:
    done = onnx_models("list", "onnx_models/packages")
    head, classify, embed = done.stdout.splitlines()

    assert done.returncode == 0, done.stderr
    assert head.split()[:3] == ["name", "task", "size"]
    assert classify.split()[:2] == ["starter-classify", "classify"]
    assert "accuracy 0.9" in classify
    assert embed.split()[:2] == ["starter-embed", "embed"]
    assert "Apache-2.0" in embed


def test_list_tells_of_a_package_that_can_not_be_served(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "onnx_models" / "packages" / "starter-embed", tmp_path / "broken")
    (tmp_path / "broken" / "model.onnx").write_bytes(b"")
    done = onnx_models("list", str(tmp_path))

    assert done.returncode == 1
    assert "SHA-256 differs" in done.stderr


def test_help_teaches_every_command() -> None:
    top = onnx_models("--help").stdout
    export = onnx_models("export", "--help").stdout

    assert all(command in top for command in ("export", "verify", "list", "requirements-export.txt"))
    assert all(option in export for option in ("--task", "--pooling", "--max-tokens", "--atol", "--force"))


def test_wrong_usage_is_status_two() -> None:
    assert onnx_models("export", "somewhere", "--task", "sing", "--name", "x").returncode == 2
    assert onnx_models("export", "somewhere", "--task", "embed", "--name", "x", "--max-tokens", "0").returncode == 2


def test_export_without_torch_says_what_is_missing(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(b"")
    done = onnx_models("export", str(tmp_path), "--task", "embed", "--name", "x")

    assert done.returncode == 1
    assert re.match(r"error: \w+ is not installed here; see onnx_models/requirements-export.txt", done.stderr)
    assert "Traceback" not in done.stderr
