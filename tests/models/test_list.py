"""`python -m onnx_models list` and help, run by an interpreter that has no torch."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from contracts.tasks import TASKS
from onnx_models.command_line.cli import parser
from onnx_models.command_line.commands import fill_from_recipe
from onnx_models.recipes import read_recipes
from tests.support.onnx_bytes import external_tensor, model_of
from tests.support.paths import ROOT
from tests.support.tiny_package import WORDS, graph_of, write_package
from tests.support.waiting import PROGRAM_S


def onnx_models(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "onnx_models", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=PROGRAM_S, check=False)


def test_list_shows_the_starters() -> None:
    done = onnx_models("list", "onnx_models/packages")
    head, *lines = done.stdout.splitlines()
    by_task = {line.split()[1]: line for line in lines}

    assert done.returncode == 0, done.stderr
    assert head.split()[:4] == ["name", "task", "precision", "size"]
    assert all(line.split()[0] == f"starter-{task}" for task, line in by_task.items())
    assert by_task.keys() >= {"classify", "embed", "generate"}
    assert "accuracy 0.9" in by_task["classify"]
    assert "Apache-2.0" in by_task["embed"]
    assert "encoder worker" in by_task["classify"] and "seq2seq worker" in by_task["translate"]
    # All figures of one package once filled lines of 300 characters.
    assert "accuracy 0.966 and 1 more" in by_task["classify"]
    assert max(map(len, lines)) < 140


def write_picture_package(folder: Path) -> Path:
    """Write a package for pictures, which can be exported and which no worker takes."""
    write_package(folder, task="classify")
    manifest = folder / "manifest.toml"
    text = manifest.read_text()
    for old, new in (('task = "classify"', 'task = "classify-image"'), ("text-encoder", "image-encoder")):
        text = text.replace(old, new)
    manifest.write_text(text + "[image]\nresize = [8, 8]\nmean = [0.5]\nstd = [0.5]\n")
    return folder


def test_a_package_that_nobody_serves_is_listed_as_such(tmp_path: Path) -> None:
    write_picture_package(tmp_path / "from" / "pictures")
    added = onnx_models("add", str(tmp_path / "from" / "pictures"), "--output", str(tmp_path / "to"))
    assert added.returncode == 0, added.stderr
    assert "no worker takes it yet: none has code for the task 'classify-image'" in added.stderr
    assert "no worker takes it yet" in onnx_models("list", str(tmp_path / "to")).stdout
    assert "served by: no worker takes it yet" in onnx_models("show", str(tmp_path / "to" / "pictures")).stdout


def test_recipes_say_what_nobody_serves() -> None:
    head, *lines = onnx_models("recipes").stdout.splitlines()
    assert "served by" in head
    unserved = {line.split()[1] for line in lines if "no worker takes it yet" in line}
    assert unserved == {line.split()[1] for line in lines} - set(TASKS)
    assert {"caption", "transcribe", "classify-image", "token-classify"} <= unserved


def test_list_reports_a_package_that_can_not_be_served(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "onnx_models" / "packages" / "starter-embed", tmp_path / "broken")
    (tmp_path / "broken" / "model.onnx").write_bytes(b"")
    done = onnx_models("list", str(tmp_path))

    assert done.returncode == 1
    assert "SHA-256 differs" in done.stderr


def test_list_checks_packages_as_a_worker_does(tmp_path: Path) -> None:
    """Without ONNX Runtime: versions of the graph, its external files, and the name of the folder."""
    outside = external_tensor("table", [len(WORDS), 8], "../secret")
    write_package(tmp_path / "evil", graph=graph_of("embed", 8, outside))
    write_package(tmp_path / "new", graph=model_of(b"", opsets={"": 27}))
    write_package(tmp_path / "sound").rename(tmp_path / "renamed")
    done = onnx_models("list", str(tmp_path))

    assert done.returncode == 1
    for said in ("keeps weights in '../secret'", "opset of ONNX is 27", "name is 'sound', not that of the folder"):
        assert said in done.stderr


def test_help_describes_every_command() -> None:
    top = onnx_models("--help").stdout
    export = onnx_models("export", "--help").stdout

    commands = ("export", "verify", "list", "show", "add", "remove", "recipes", "make setup-export")
    assert all(command in top for command in commands)
    options = ("--recipe", "--task", "--precision", "--opset", "--cache", "--pooling", "--max-tokens", "--atol")
    assert all(option in export for option in options)


def test_wrong_usage_is_status_two() -> None:
    assert onnx_models("export", "somewhere", "--task", "sing", "--name", "x").returncode == 2
    assert onnx_models("export", "somewhere", "--task", "embed", "--name", "x", "--max-tokens", "0").returncode == 2


def test_export_without_torch_names_the_missing_package(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(b"")
    done = onnx_models("export", str(tmp_path), "--task", "embed", "--name", "x")

    assert done.returncode == 1
    assert re.match(r"error: \w+ is not installed here; see onnx_models/requirements-export.txt", done.stderr)
    assert "Traceback" not in done.stderr


def test_a_recipe_fills_missing_options() -> None:
    options = parser().parse_args(["export", "--recipe", "minilm", "--name", "mine"])
    fill_from_recipe(options)
    recipe = read_recipes()["minilm"]

    assert (options.source, options.task, options.name) == (recipe.model, "embed", "mine")
    assert (options.revision, options.licence) == (recipe.revision, recipe.licence)
    assert options.pooling == recipe.options.get("pooling")


def test_recipes_are_listed_by_task_and_an_unknown_one_is_refused() -> None:
    listed = onnx_models("recipes", "--task", "embed").stdout.splitlines()
    assert listed[0].split()[:4] == ["recipe", "task", "model", "size"]
    assert len(listed) > 2 and all(line.split()[1] == "embed" for line in listed[1:])
    unknown = onnx_models("export", "--recipe", "nope")
    assert unknown.returncode == 1 and "there are: " in unknown.stderr and "minilm" in unknown.stderr
    nothing = onnx_models("export", "--task", "embed")
    assert nothing.returncode == 1 and "give source, name; or --recipe" in nothing.stderr


def test_a_task_may_go_by_an_alias_on_the_command_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert parser().parse_args(["export", "x", "--task", "sentiment-analysis"]).task == "classify"
    assert parser().parse_args(["recipes", "--task", "ner"]).task == "token-classify"
    with pytest.raises(SystemExit):
        parser().parse_args(["export", "x", "--task", "zero-shot-classification"])
    assert "unknown task 'zero-shot-classification'; the tasks are embed, classify, " in capsys.readouterr().err


def test_a_folder_that_does_not_exist_is_an_error_and_not_an_empty_list(tmp_path: Path) -> None:
    listed = onnx_models("list", str(tmp_path / "mistyped"))
    assert listed.returncode == 1
    assert "mistyped: no such folder" in listed.stderr
