"""The examples of the README and of two pages run, and the paths and links of all documents exist."""

import ast
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.deploy.stack import environment, running
from tests.support.paths import ROOT
from tests.support.valkey import free_port
from tests.support.waiting import PATIENCE_S

README = (ROOT / "README.md").read_text()
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")), ROOT / "benchmarks" / "README.md"]
PAGES = "".join((ROOT / "docs" / name).read_text() for name in ("generation.md", "seq2seq.md"))
EXAMPLE = re.compile(r"```(sh|python)\n(.*?)```\n+```(?:json|text)\n(.*?)```", re.DOTALL)
EXPECTED = [
    '"label":"positive"',
    "event: succeeded",
    "data: [DONE]",
    "um halb acht ab",
    "202 ACCEPTED",
    "tenant,model,succeeded",
]
URL = "http://127.0.0.1:8080"
JOB_PATH = README.partition("## The path of one job")[2].partition("\n## ")[0]
MENTION = re.compile(r"`([\w/.-]+/[\w/.-]+\.\w+)`(?:\s+`(\w+)`)?")


def blocks(language: str) -> list[str]:
    """Return the README's code blocks in a language."""
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a stack as `make run` starts it."""
    data = str(tmp_path_factory.mktemp("data"))
    with running(TRIPTYCH_PORT=str(free_port()), TRIPTYCH_DATA=data) as stack:
        yield stack.wait_until_ready()


def printed(command: list[str]) -> str:
    """Run an example and return what it printed."""
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=PATIENCE_S, check=False, env=environment(no_proxy="127.0.0.1")
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("number", range(len(blocks("bash"))))
def test_each_shell_example_prints_an_answer(url: str, number: int) -> None:
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed")
    answer = printed(["bash", "-euo", "pipefail", "-c", blocks("bash")[number].replace(URL, url)])
    assert '"error":{' not in answer
    assert EXPECTED[number] in answer


def test_the_python_example_prints_the_dimensions_the_tokens_and_a_text(url: str) -> None:
    (script,) = blocks("python")
    assert re.fullmatch(r"128 \d+\n[A-Z].*\.", printed([sys.executable, "-c", script.replace(URL, url)]))


@pytest.mark.parametrize("number", range(len(re.findall(EXAMPLE, PAGES))))
def test_the_examples_of_generation_print_what_the_page_shows(url: str, number: int) -> None:
    language, script, answer = re.findall(EXAMPLE, PAGES)[number]
    command = {"sh": ["bash", "-euo", "pipefail", "-c"], "python": [sys.executable, "-c"]}[language]
    assert printed([*command, script.replace(URL, url)]).strip() == answer.strip()


def test_the_path_of_a_job_names_files_and_functions_that_exist() -> None:
    mentions = MENTION.findall(JOB_PATH)
    assert len(mentions) >= 20
    for path, function in mentions:
        assert (ROOT / path).is_file(), path
        if function:
            assert function in functions(ROOT / path), f"{path} has no function {function}"


def functions(path: Path) -> set[str]:
    """Return the names of the functions and methods that a file defines."""
    return {node.name for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.FunctionDef)}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_paths_and_links_of_the_documents_exist(document: Path) -> None:
    text = document.read_text()
    for target in re.findall(r"\]\(([^)#:]+)\)", text):
        assert (document.parent / target).exists(), target
    rooms = "contracts|services|workers|onnx_models|deploy|tests|benchmarks|docs"
    for path in re.findall(rf"`((?:{rooms})/[\w/.*-]*)`", text):
        assert list(ROOT.glob(path.rstrip("/"))), path


def test_the_make_targets_that_the_readme_names_exist() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"\bmake ([a-z-]+)", README)) <= targets


def test_each_page_of_the_architecture_has_a_section_where_to_look() -> None:
    for page in sorted((ROOT / "docs" / "architecture").glob("*.md")):
        assert "## Where to look" in page.read_text(), page.name
