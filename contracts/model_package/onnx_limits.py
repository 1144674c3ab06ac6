"""Which ONNX files the pinned ONNX Runtime reads, and that they read nothing beside their package.

ONNX Runtime has no call that tells these numbers. They were found by loading graphs of one operator with every
version around them in onnxruntime 1.31.1; `tests/unit/model_package/test_onnx_limits.py` repeats that, so it fails
with a release that reads more or less.
"""

from collections.abc import Collection, Iterator

from contracts.model_package.onnx_header import OnnxHeader

IR_VERSIONS = range(3, 14)
"""Newer ones are refused by the runtime; older ones are from before a file said which operator set it uses."""
OPSETS = {"": range(7, 27), "ai.onnx.ml": range(1, 6), "com.microsoft": range(1, 2)}
"""By domain. Below 7 the runtime reads the graph and then has no kernel for operators as simple as Add."""


def fault_of(header: OnnxHeader, listed: Collection[str]) -> str | None:
    """Return why a graph of a package with these listed files can't be served, as words, or None."""
    return next(_faults(header, listed), None)


def _faults(header: OnnxHeader, listed: Collection[str]) -> Iterator[str]:
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
    for location in sorted(header.external - set(listed)):
        yield f"it keeps weights in {location!r}, which the manifest's [files] does not list"


def _outside(what: str, found: int, known: range) -> str:
    return f"its {what} is {found}; this runtime reads {known[0]} to {known[-1]}"
