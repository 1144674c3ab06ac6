"""Commands as users type them: in the checkout's root, with relative paths, on the oldest and the newest Python."""

import os
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from contracts.broken_pipe import EXIT_STATUS
from tests.deploy.stack import running
from tests.support.paths import ROOT
from tests.support.pythons import newest_python
from tests.support.tiny_package import write_package
from tests.support.waiting import PROGRAM_S

Run = Callable[..., str]


@pytest.fixture(scope="module", params=["this", "newest"])
def python(request: pytest.FixtureRequest) -> Path:
    """This interpreter, which is of the oldest Python that users may have, and the newest one of this machine."""
    if request.param == "this":
        return Path(sys.executable)
    found, reason = newest_python()
    return found or pytest.skip(reason)


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the checkout, so that packages can be added where workers look for them by default."""
    folder = tmp_path_factory.mktemp("checkout")
    for name in ("contracts", "services", "workers", "onnx_models", "deploy"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    write_package(folder / "incoming" / "tiny")
    with tarfile.open(folder / "tiny.tar.gz", "w:gz") as tar:
        tar.add(folder / "incoming" / "tiny", arcname="tiny")
    # As where `build/` is on another disk.
    (folder / "elsewhere").mkdir()
    (folder / "build").mkdir()
    (folder / "build" / "packages").symlink_to(folder / "elsewhere", target_is_directory=True)
    return folder


@pytest.fixture
def run(python: Path, checkout: Path) -> Run:
    """Run a module as a command in the root of the copy; return what it printed."""

    def run_one(module: str, *arguments: str) -> str:
        # Bytecode would be compiled for each version, and takes longer to write than the commands take.
        environment = {"PATH": os.environ["PATH"], "PYTHONDONTWRITEBYTECODE": "1"}
        done = subprocess.run(
            [python, "-m", module, *arguments],
            cwd=checkout, env=environment, capture_output=True, text=True, timeout=PROGRAM_S, check=False,
        )  # fmt: skip
        assert done.returncode == 0, f"{module} {arguments}: {done.stderr}"
        assert "Traceback" not in done.stderr
        return done.stdout

    return run_one


@pytest.mark.parametrize(
    ("where", "output"),
    [("incoming/tiny", ""), ("./incoming/tiny/", "new/packages"), ("tiny.tar.gz", "build/packages")],
)
def test_a_package_is_added_listed_and_removed(run: Run, checkout: Path, where: str, output: str) -> None:
    into, listed, of = (["--output", output], [output], ["--folder", output]) if output else ([], [], [])
    folder = checkout / (output or "onnx_models/packages")
    before = set(folder.glob("*"))

    added = run("onnx_models", "add", where, *into)
    assert "added; task embed" in added
    assert "python -m services.gateway models default embed tiny\n" in added
    assert set(folder.glob("*")) - before == {folder / "tiny"}
    assert "\ntiny " in run("onnx_models", "list", *listed)
    run("onnx_models", "remove", "tiny", *of)
    assert set(folder.glob("*")) == before


def test_a_package_that_is_a_link_is_listed_replaced_and_removed(run: Run, checkout: Path) -> None:
    """One rename of a link puts a version in place; commands must not follow it where they delete."""
    version, link = checkout / "incoming" / "tiny", checkout / "linked" / "tiny"
    link.parent.mkdir(exist_ok=True)
    for command in (["remove", "tiny", "--folder", "linked"], ["add", "tiny.tar.gz", "--output", "linked", "--force"]):
        link.symlink_to("../incoming/tiny", target_is_directory=True)
        run("onnx_models", *command)
        assert not link.is_symlink()
        assert (version / "manifest.toml").is_file()
    shutil.rmtree(link)


@pytest.mark.parametrize(
    "command",
    [
        ["onnx_models", "--help"], ["onnx_models", "export", "--help"], ["onnx_models", "add", "--help"],
        ["onnx_models", "recipes"], ["onnx_models", "list"], ["services.gateway", "--help"],
        ["workers.encoder", "--help"], ["workers.decoder", "--help"], ["workers.seq2seq", "--help"],
        ["deploy.local", "--help"],
    ],
    ids=" ".join,
)  # fmt: skip
def test_a_command_runs_as_it_is_typed(run: Run, command: list[str]) -> None:
    assert run(*command)


def test_the_demo_runs_on_the_newest_python() -> None:
    """Of every part of the product, with all of its dependencies; `test_demo` looks at what it prints."""
    found, reason = newest_python()
    if found is None:
        pytest.skip(reason)
    with running("demo", found) as demo:
        assert demo.wait(PROGRAM_S) == 0, demo.log
    assert "assistant: " in demo.log


@pytest.mark.parametrize("command", ["services.gateway openapi", "onnx_models recipes"])
def test_a_reader_that_goes_ends_a_command_quietly(checkout: Path, command: str) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", *command.split()],
        cwd=checkout,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None and process.stderr is not None
        process.stdout.close()  # as `head` does, here before the first line
        assert process.wait(PROGRAM_S) == EXIT_STATUS
        assert process.stderr.read() == ""
