"""Which ONNX files the pinned ONNX Runtime reads, and whether a graph stays within its package.

ONNX Runtime has no call that returns these limits. They were found by loading graphs of one operator with every
version around them in onnxruntime 1.31.1. `tests/unit/model_package/test_onnx_limits.py` repeats that, so it fails for
a release with other limits.
"""

from collections.abc import Collection, Iterator

from contracts.model_package.onnx_header import OnnxHeader

IR_VERSIONS = range(3, 14)
"""The runtime refuses newer ones. In older ones a file does not say which operator set it uses."""
OPSETS = {"": range(7, 27), "ai.onnx.ml": range(1, 6), "com.microsoft": range(1, 2)}
"""By domain. Below 7 the runtime reads the graph, but has no kernel for operators as simple as Add."""


def find_problem(header: OnnxHeader, listed: Collection[str]) -> str | None:
    """Return why the graph of a package with these listed files can't be served, as words, or None if it can."""
    return next(_problems(header, listed), None)


def _problems(header: OnnxHeader, listed: Collection[str]) -> Iterator[str]:
    if header.ir_version not in IR_VERSIONS:
        yield _outside("IR version", header.ir_version, IR_VERSIONS)
    if "" not in {domain for domain, _ in header.opsets}:
        yield "it does not say which opset of ONNX it was written for"
    for domain, version in sorted(header.opsets):
        if domain not in OPSETS:
            yield f"it imports operators of {domain!r}, which no worker has"
        elif version not in OPSETS[domain]:
            yield _outside(f"opset of {domain or 'ONNX'}", version, OPSETS[domain])
    for domain, operator in header.domains.items():
        if domain not in OPSETS:
            yield f"its operator {operator!r} is of {domain!r}, which no worker has"
    # ONNX Runtime would open any path that a graph names, "../secret" and absolute ones too.
    for location in sorted(header.external_files - set(listed)):
        yield f"it keeps weights in {location!r}, which the manifest's [files] does not list"


def _outside(what: str, found: int, known: range) -> str:
    return f"its {what} is {found}; this runtime reads {known[0]} to {known[-1]}"
