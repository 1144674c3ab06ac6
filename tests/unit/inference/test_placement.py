"""A graph whose attention, products or caches would run on the CPU is refused on CUDA, by name and with a command."""

from collections.abc import Sequence

import msgspec
import onnxruntime
import pytest

from contracts.model_package.manifest import Manifest
from contracts.model_package.package import read_manifest
from tests.support.paths import STARTERS
from workers.runtime.inference.placement import RECORD, Placed, misplaced, placed_operators, problem_on

CPU, CUDA = "CPUExecutionProvider", "CUDAExecutionProvider"
GENERATE = read_manifest(STARTERS / "starter-generate")


def placed_on_cpu(model: str, graph: str) -> list[Placed]:
    """Return what a real session of a starter records."""
    options = onnxruntime.SessionOptions()
    options.add_session_config_entry(RECORD, "1")
    return placed_operators(onnxruntime.InferenceSession(STARTERS / model / graph, options, providers=[CPU]))


def on_card_but(*operators: str) -> list[Placed]:
    """Return a decoder on a card, where some operators and the usual computations of shapes are on the CPU."""
    on_cpu = [Placed(operator, CPU) for operator in ("Shape", "Gather", "Concat", *operators)]
    return [Placed(operator, CUDA) for operator in ("MatMul", "Add", "Softmax") if operator not in operators] + on_cpu


@pytest.mark.parametrize(
    ("model", "graph", "expected"),
    [
        ("starter-generate", "model.onnx", {"GroupQueryAttention", "MatMul"}),
        ("starter-embed", "model.onnx", {"MatMul"}),
        ("starter-denoise", "encoder_model.onnx", {"LSTM"}),
        ("starter-denoise", "decoder_model.onnx", {"Gemm", "MatMul"}),
        ("starter-translate", "decoder_model.onnx", {"GroupQueryAttention", "MatMul"}),
    ],
)
def test_a_session_that_runs_on_the_cpu_alone_is_refused_where_cuda_was_asked_for(
    model: str, graph: str, expected: set[str]
) -> None:
    placed = placed_on_cpu(model, graph)
    found = misplaced(placed, CUDA, has_cache=True, cache_grows=False)
    assert expected <= set(found)
    assert misplaced(placed, CPU, has_cache=True, cache_grows=True) == []


def test_the_refusal_names_package_operators_and_command() -> None:
    problem = problem_on(GENERATE, "model.onnx", placed_on_cpu("starter-generate", "model.onnx"), CUDA, has_cache=True)
    assert problem is not None
    assert problem.startswith("starter-generate: on cuda, ") and "GroupQueryAttention" in problem
    assert "python -m onnx_models export FOLDER_OF_ITS_WEIGHTS --task generate --name starter-generate" in problem
    assert "--precision fp16 --force" in problem


@pytest.mark.parametrize(
    ("source", "revision", "expected"),
    [("owner/name", "0" * 40, "export owner/name "), ("package:wheel/folder", "1", "export package:wheel/folder ")],
)
def test_the_command_has_the_source_where_the_manifest_knows_it(source: str, revision: str, expected: str) -> None:
    manifest = msgspec.structs.replace(GENERATE, source=source, revision=revision)
    problem = problem_on(manifest, "model.onnx", on_card_but("GroupQueryAttention"), CUDA, has_cache=True)
    assert problem is not None and expected in problem


def test_fp16_that_does_not_fit_either_is_sent_to_the_cpu() -> None:
    manifest: Manifest = msgspec.structs.replace(GENERATE, precision="fp16")
    problem = problem_on(manifest, "model.onnx", on_card_but("TensorScatter"), CUDA, has_cache=True)
    assert problem is not None and "export" not in problem and "TRIPTYCH_DEVICE=cpu" in problem


@pytest.mark.parametrize(
    ("on_cpu", "expected"),
    [
        ([], []),  # shapes only
        (["GroupQueryAttention"], ["GroupQueryAttention"]),  # a decoder in fp32
        (["MatMulInteger", "DynamicQuantizeLinear"], ["MatMulInteger"]),  # dynamic quantisation
        (["ScatterND"], ["ScatterND"]),
        (["Attention", "MatMul"], ["Attention", "MatMul"]),
    ],
)
def test_only_what_matters_is_named(on_cpu: Sequence[str], expected: Sequence[str]) -> None:
    assert misplaced(on_card_but(*on_cpu), CUDA, has_cache=True, cache_grows=False) == expected
    assert (problem_on(GENERATE, "model.onnx", on_card_but(*on_cpu), CUDA, has_cache=True) is None) == (not expected)


def test_a_cache_that_grows_by_concat_must_grow_on_the_card() -> None:
    assert misplaced(on_card_but(), CUDA, has_cache=True, cache_grows=True) == ["Concat"]
    assert misplaced([*on_card_but(), Placed("Concat", CUDA)], CUDA, has_cache=True, cache_grows=True) == []
    assert misplaced(on_card_but(), CUDA, has_cache=False, cache_grows=True) == []


def test_without_a_cache_scatter_is_a_computation_of_shapes() -> None:
    assert misplaced(on_card_but("ScatterND"), CUDA, has_cache=False, cache_grows=False) == []
