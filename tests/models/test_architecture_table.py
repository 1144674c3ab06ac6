"""docs/architectures.md lists exactly the tested cases, and its check finds deviations; needs no torch."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.architectures import table
from tests.architectures.cases import CASES, Case

A = Case("GPT-2", "generate", "x:y", slots=True)
B = Case("GPT-2", "generate", "x:y", {"cache": "concat"})
C = Case("BERT", "embed", "x:y")
SMALL = (A, B, C)
GRAPHS = {A.id: "decoder-slots", B.id: "decoder-concat", C.id: "text-encoder"}


def result(case: Case, difference: float = 2e-6, **changes: Any) -> table.Result:
    versions = dict.fromkeys(("torch", "transformers", "optimum", "optimum-onnx", "onnx", "onnxruntime"), "1")
    tokens = {"tokens": 120} if case.task == "generate" else {}
    base = {"run": "2", "date": "2026-01-02", "graph": GRAPHS[case.id], "max_abs_diff": difference}
    return {**base, "versions": versions, **tokens, **changes}


@pytest.fixture
def page(tmp_path: Path) -> Path:
    """A page with the table of three cases."""
    path = tmp_path / "page.md"
    path.write_text(f"before\n{table.BEGIN}\nold\n{table.END}\nafter\n")
    assert table.write(path, {case.id: result(case) for case in SMALL}, SMALL) == []
    return path


def test_the_docs_list_exactly_the_cases() -> None:
    stated = table.read_page(table.PAGE.read_text(encoding="utf-8"))

    assert [row.key for row in stated] == [table.key_of(case) for case in CASES]
    assert all(float(row.max_abs_diff) < 1e-3 for row in stated)


def test_no_two_cases_share_a_name() -> None:
    assert len({case.id for case in CASES}) == len(CASES) == len({table.key_of(case) for case in CASES})


def test_a_table_is_written_in_the_order_of_the_cases_between_its_marks(page: Path) -> None:
    text = page.read_text()

    assert text.startswith(f"before\n{table.BEGIN}\nMeasured on 2026-01-02 with torch 1, transformers 1,")
    assert text.endswith(f"{table.END}\nafter\n") and "old" not in text
    assert table.read_page(text) == [
        ("GPT-2", "generate", "decoder-slots", "yes", "120", "2.0e-06"),
        ("GPT-2", "generate", "decoder-concat", "no", "120", "2.0e-06"),
        ("BERT", "embed", "text-encoder", "-", "-", "2.0e-06"),
    ]


def test_a_case_without_a_result_is_named_and_nothing_is_written(page: Path) -> None:
    faults = table.write(page, {A.id: result(A)}, SMALL)

    assert faults == [f"not measured in the last run: {B.id}, {C.id}"]
    assert [row.key for row in table.read_page(page.read_text())] == [table.key_of(A)]


def test_the_same_measurements_pass(page: Path) -> None:
    assert table.check(page, {case.id: result(case) for case in SMALL}, SMALL) == []


@pytest.mark.parametrize(
    ("changed", "word"),
    [
        (result(C, 2.1e-5), "the difference is 2.1e-05, the table says 2.0e-06"),
        (result(C, float("nan")), "the difference is nan"),
        (result(C, graph="image-encoder"), "graph is image-encoder, the table says text-encoder"),
        (result(A, graph="decoder-concat"), "cache in place is no, the table says yes"),
    ],
)
def test_a_different_measurement_is_found(changed: table.Result, word: str, page: Path) -> None:
    case = A if "tokens" in changed else C
    results = {each.id: result(each) for each in SMALL} | {case.id: changed}

    assert any(word in fault for fault in table.check(page, results, SMALL))


@pytest.mark.parametrize("difference", [1.9e-5, 9e-6, 0.0])
def test_differences_by_rounding_are_accepted(difference: float, page: Path) -> None:
    results = {case.id: result(case, difference) for case in SMALL}

    assert table.check(page, results, SMALL) == []


def test_added_missing_and_reordered_cases_are_found(page: Path) -> None:
    results = {case.id: result(case) for case in SMALL}

    for cases in ((A, B), (C, A, B), (*SMALL, Case("BERT", "classify", "x:y"))):
        assert any("not the cases" in fault for fault in table.check(page, results, cases, partial=True))


def test_after_a_run_of_some_tests_only_those_are_checked(page: Path) -> None:
    assert table.check(page, {A.id: result(A)}, SMALL, partial=True) == []
    assert table.check(page, {A.id: result(A)}, SMALL) == [f"not measured in the last run: {B.id}, {C.id}"]
    assert table.check(page, {A.id: result(A, 1e-3)}, SMALL, partial=True) != []


def test_results_of_an_earlier_run_do_not_count(tmp_path: Path) -> None:
    for case, run in ((A, "10-7"), (B, "20-7"), (C, "20-7")):
        (tmp_path / f"{case.id}.json").write_text(json.dumps(result(case, run=run)))

    assert set(table.read_results(tmp_path)) == {B.id, C.id}
    assert table.read_results(tmp_path / "nothing") == {}
