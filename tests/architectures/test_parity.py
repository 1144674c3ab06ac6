"""Every architecture is exported and verified, and its figures go into the table of docs/architectures.md."""

from collections.abc import Callable
from pathlib import Path

import pytest

from onnx_models.exporting.export import export_package
from onnx_models.exporting.exporters import ExportRequest
from onnx_models.exporting.sources import open_source
from tests.architectures.cases import CASES, Case


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_outputs_of_a_package_equal_its_reference(
    case: Case,
    source_of: Callable[[str], Path],
    record: Callable[[Case, dict[str, object]], None],
    tmp_path: Path,
) -> None:
    source = open_source(str(source_of(case.build)))
    request = ExportRequest(source=source, task=case.task, name=case.id, output=tmp_path, **case.options)  # type: ignore[arg-type]
    manifest = export_package(request).manifest

    assert manifest.verified["relative_diff"] <= 1e-4
    assert manifest.verified.get("same_tokens", 1.0) == 1.0
    assert manifest.graph.kind.endswith("-slots") == case.slots
    assert manifest.batch_safe
    record(case, {"graph": manifest.graph.kind, **manifest.verified})
