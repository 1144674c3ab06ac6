"""CONTRIBUTING.md lists every file that a new task touches: a toy task is added by that list and served for real.

The toy's inputs are structs with texts in lists of structs, and a number: no task of the product has such.
"""

import re
from collections.abc import Iterator
from typing import Any

import httpx
import numpy as np
import pytest

from tests.e2e.toy_task.changes import LINES, NEW_FILES, changed_tree
from tests.e2e.workers import running_worker
from tests.gateway.gateway_process import running_gateway
from tests.support.paths import ROOT
from tests.support.tiny_package import WORDS, graph_of, token_vectors, write_package
from tests.support.valkey import running_valkey
from tests.support.waiting import PATIENCE_S

SIZE = 8
VECTORS = token_vectors(SIZE)
PASSAGES = [
    {"title": "w10", "lines": ["w11", "w12 w13"]},
    {"title": "w1", "lines": ["w2"]},
    {"title": "w20", "lines": ["w21"]},
]
INPUT = {"query": "w1 w2", "passages": PASSAGES}


@pytest.fixture(scope="module")
def http(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """A client of a gateway that serves the task, with a worker that runs it."""
    folder = tmp_path_factory.mktemp("toy")
    tree = changed_tree(folder / "tree")
    package = write_package(folder / "packages" / "ranker", task="rank", graph=graph_of("embed", SIZE))
    with (package / "manifest.toml").open("a") as manifest:
        manifest.write(f"[rank]\ndimensions = {SIZE}\n")
    with (
        running_valkey(folder / "valkey") as valkey,
        running_worker("encoder", valkey, folder / "w.log", root=tree, TRIPTYCH_MODELS_DIR=str(package.parent)),
        running_gateway(valkey.url, folder, root=tree) as gateway,
        httpx.Client(base_url=gateway.url, timeout=PATIENCE_S) as client,
    ):
        yield client


def expected(query: str, passages: list[Any]) -> list[dict[str, Any]]:
    """Return the ranking by hand: the cosine of the mean vectors, the tokens [CLS] and [SEP] included."""

    def vector(text: str) -> Any:
        mean = VECTORS[[WORDS.index(word) for word in ["[CLS]", *text.split(), "[SEP]"]]].mean(axis=0)
        return mean / np.linalg.norm(mean)

    texts = [" ".join([passage["title"], *passage["lines"]]) for passage in passages]
    scores = [float(vector(query) @ vector(text)) for text in texts]
    best = sorted(range(len(scores)), key=lambda index: -scores[index])
    return [{"passage": index, "score": pytest.approx(scores[index], abs=1e-5)} for index in best]


def test_the_list_names_exactly_the_files_of_the_change() -> None:
    section = (ROOT / "CONTRIBUTING.md").read_text().partition("## Adding a task")[2].partition("\n\nSo that")[0]
    listed = re.findall(r"^\d\. `([\w/.]+)`", section, re.MULTILINE)
    assert len(set(listed)) == len(listed)
    assert {path.replace("TASK", "rank") for path in listed} == {*NEW_FILES, *LINES}


def test_one_input_is_ranked_and_a_list_gets_a_list(http: httpx.Client) -> None:
    answer = http.post("/v1/rank", json={"inputs": INPUT})
    ranking = expected("w1 w2", PASSAGES)
    assert (answer.status_code, answer.json()) == (200, ranking), answer.text
    assert ranking[0]["passage"] == 1 and int(answer.headers["X-Triptych-Tokens-Used"]) == 4 + 6 + 4 + 4
    second = {"query": "w21 w20", "passages": PASSAGES, "top_k": 1}
    answer = http.post("/v1/rank", json={"inputs": [INPUT, second], "parameters": {"truncate": "left"}})
    assert answer.json() == [ranking, expected("w21 w20", PASSAGES)[:1]]


def test_the_task_has_jobs_by_its_name_and_its_alias(http: httpx.Client) -> None:
    for name in ("rank", "text-ranking"):
        body = {"task": name, "inputs": [INPUT], "metadata": {"by": name}}
        job = http.post("/v1/jobs", json=body, headers={"Prefer": "wait=60"}).json()
        assert (job["task"], job["status"], job["output"]) == ("rank", "succeeded", [expected("w1 w2", PASSAGES)])
        listed = http.get("/v1/jobs", params={"task": name}).json()["data"]
        assert listed[0]["id"] == job["id"]


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"inputs": {**INPUT, "query": " "}}, "inputs.query"),
        ({"inputs": {**INPUT, "passages": [PASSAGES[0], {"title": "\n", "lines": ["x"]}]}}, "inputs.passages[1].title"),
        ({"inputs": [INPUT, {**INPUT, "passages": [{"title": "x", "lines": ["x", "\t"]}]}]},
         "inputs[1].passages[0].lines[1]"),
        ({"inputs": {**INPUT, "top_k": 0}}, "inputs.top_k"),
        ({"inputs": "w1"}, "inputs"),
        ({"inputs": INPUT, "parameters": {"dimensions": SIZE + 1}}, "parameters.dimensions"),
        ({"inputs": INPUT, "stream": True}, "stream"),
    ],
)  # fmt: skip
def test_requests_are_checked_by_the_tasks_types_and_row(http: httpx.Client, body: dict[str, Any], param: str) -> None:
    answer = http.post("/v1/rank", json=body)
    assert (answer.status_code, answer.json()["error"]["param"]) == (422, param), answer.text


def test_the_task_is_described_and_its_example_works(http: httpx.Client) -> None:
    document = http.get("/openapi.json").json()
    operation = document["paths"]["/v1/rank"]["post"]
    assert operation["summary"] == "Order passages by their similarity to a query"
    assert {"RankRequest", "RankJob", "RankInput", "Passage", "Ranked"} <= set(document["components"]["schemas"])
    example = operation["requestBody"]["content"]["application/json"]["example"]
    assert http.post("/v1/rank", json=example).json() == expected("w1", example["inputs"]["passages"])
    assert "/v1/rank" in http.get("/docs").text
    (card,) = http.get("/v1/models").json()["data"]
    assert (card["id"], card["task"], card["dimensions"]) == ("ranker", "rank", SIZE)
