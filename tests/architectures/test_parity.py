"""Each architecture goes through the whole export; the package answers as the reference, and workers would load it."""

from collections.abc import Callable
from pathlib import Path

import pytest

from onnx_models.export import export_package
from onnx_models.kind import ExportRequest
from onnx_models.source import open_source
from tests.architectures.cases import CASES, Case
from workers.runtime.session import open_graphs


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_a_package_answers_as_its_reference(
    case: Case,
    source_of: Callable[[str], Path],
    record: Callable[[Case, dict[str, object]], None],
    tmp_path: Path,
) -> None:
    source = open_source(str(source_of(case.build)))
    request = ExportRequest(source=source, task=case.task, name=case.id, output=tmp_path, **case.options)  # type: ignore[arg-type]
    package = export_package(request)
    manifest = package.manifest

    open_graphs(package, device="cpu", threads=1)
    assert manifest.verified["relative_diff"] <= 1e-4
    assert manifest.verified.get("same_tokens", 1.0) == 1.0
    assert (manifest.graph == "decoder-slots") == case.slots
    assert manifest.batch_safe
    record(case, {"graph": manifest.graph, **manifest.verified})
