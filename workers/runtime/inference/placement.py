"""On which device ONNX Runtime runs the operators of a graph: without a word on the CPU, where CUDA has no kernel.

Shapes and positions belong there. Attention, products and caches do not: they would be slow, and an operator on the CPU
may read a cache that is updated on the card as it was when it was bound, which is wrong.
"""

import re
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from contracts.model_package.manifest import Manifest

RECORD = "session.record_ep_graph_assignment_info"
"""The option of a session without which ONNX Runtime does not tell."""
_ATTENTION = frozenset({
    "Attention", "MultiHeadAttention", "GroupQueryAttention", "DecoderMaskedMultiHeadAttention", "PackedAttention",
    "PackedMultiHeadAttention",
})  # fmt: skip
_PRODUCTS = frozenset({
    "MatMul", "Gemm", "FusedMatMul", "FusedGemm", "Einsum", "MatMulNBits", "MatMulInteger", "MatMulIntegerToFloat",
    "DynamicQuantizeMatMul", "QLinearMatMul", "Conv", "ConvTranspose", "LSTM", "GRU",
})  # fmt: skip
_CACHE_UPDATES = frozenset({"ScatterND", "ScatterElements", "TensorScatter"})
_GROWING_CACHES = frozenset({"decoder-concat", "encoder-decoder"})


class Placed(NamedTuple):
    """An operator of a graph, and the execution provider that runs it."""

    op_type: str
    provider: str


def placed_operators(session: Any) -> list[Placed]:
    """Return where the operators of a session run. It must have been made with the option `RECORD`."""
    return [
        Placed(node.op_type, part.ep_name)
        for part in session.get_provider_graph_assignment_info()
        for node in part.get_nodes()
    ]


def misplaced(placed: Iterable[Placed], provider: str, *, has_cache: bool, cache_grows: bool) -> Sequence[str]:
    """Return the types of operators that should run on a provider and do not, sorted.

    Args:
        placed: all operators of the graph.
        provider: where they should run.
        has_cache: whether the graph takes a KV cache as an input.
        cache_grows: whether it returns that cache longer than before, by Concat.
    """
    heavy = _ATTENTION | _PRODUCTS | (_CACHE_UPDATES if has_cache else frozenset())
    here, elsewhere = set[str](), set[str]()
    for operator in placed:
        (here if operator.provider == provider else elsewhere).add(operator.op_type)
    found = elsewhere & heavy
    # Shapes are put together by Concat on the CPU in every graph. But the caches of all layers have one type, so they
    # run in one place: if no Concat is on the device, neither are they.
    if has_cache and cache_grows and "Concat" in elsewhere - here:
        found.add("Concat")
    return sorted(found)


def problem_on(
    manifest: Manifest, graph: str, placed: Iterable[Placed], provider: str, *, has_cache: bool
) -> str | None:
    """Return why a graph must not be served on a provider, and what to do, in words; None if it may be.

    ``graph`` is the name of its file. The other arguments are those of ``misplaced``.
    """
    cache_grows = manifest.graph.kind in _GROWING_CACHES
    operators = misplaced(placed, provider, has_cache=has_cache, cache_grows=cache_grows)
    if not operators:
        return None
    what = f"{manifest.name}: on cuda, {', '.join(operators)} of {graph} would run on the CPU"
    if manifest.precision == "fp16":
        return f"{what}; serve this package with TRIPTYCH_DEVICE=cpu"
    command = (
        f"python -m onnx_models export {_source(manifest)} --task {manifest.task.name} --name {manifest.name} "
        "--precision fp16 --force"
    )
    return f"{what}, as it is in {manifest.precision}; make it in fp16 with: {command}"


def _source(manifest: Manifest) -> str:
    """Return the source as the command line takes it; of a folder, the manifest knows the last name only."""
    is_of_hub = re.fullmatch(r"[0-9a-f]{40}", manifest.revision)
    return manifest.source if is_of_hub or manifest.source.startswith("package:") else "FOLDER_OF_ITS_WEIGHTS"
