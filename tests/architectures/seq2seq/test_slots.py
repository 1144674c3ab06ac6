"""Slot graphs of encoder-decoders keep the promises of docs/architecture/06-slot-graphs.md."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from transformers import T5Config, T5ForConditionalGeneration, T5TokenizerFast

from contracts.model_package.graphs import EncoderDecoder
from contracts.model_package.package import ModelPackage
from onnx_models.exporting.export import export_package
from onnx_models.exporting.exporters import ExportRequest
from onnx_models.exporting.sources import open_source
from onnx_models.seq2seq.generation import generate
from onnx_models.seq2seq.served import Floats
from onnx_models.seq2seq.served_slots import NUM_SLOTS, ServedSlots, Slot
from onnx_models.verification.session import present_of
from tests.architectures.zoo.common import save
from tests.architectures.zoo.seq2seq import MAX_TOKENS, unigrams
from workers.runtime.inference.session import open_graphs

BUILDS = ("t5", "bart", "m2m100")
"""A bias by distance; learned positions; positions that exclude padding."""
SOURCES = (4, 17, 64, 1)
PREFIX = [2, 7]
FORCED = [5, 9, 50, 30, 20, 9]
PackageOf = Callable[[str], ModelPackage]


@pytest.fixture(scope="module")
def package_of(source_of: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory) -> PackageOf:
    """Return a package that is exported and verified on first use."""
    made: dict[str, ModelPackage] = {}

    def make(build: str) -> ModelPackage:
        if build not in made:
            source, output = open_source(str(source_of(f"seq2seq:{build}"))), tmp_path_factory.mktemp("packages")
            request = ExportRequest(source=source, task="text2text", name=build, output=output)
            made[build] = export_package(request)
        return made[build]

    return make


def served(package: ModelPackage, garbage: float = np.nan) -> ServedSlots:
    model = ServedSlots(package)
    for buffer in model.buffers.values():
        buffer[:] = garbage
    return model


def encoded(model: ServedSlots) -> list[Floats]:
    rng = np.random.default_rng(5)
    return [model.encode([rng.integers(5, 200, length).tolist()])[0] for length in SOURCES]


def written(model: ServedSlots, sources: list[Floats], steps_apart: int = 0) -> list[Floats]:
    """Return the logits of rows that are fed the same tokens in every batch."""
    return generate(model, sources, PREFIX, len(FORCED), steps_apart=steps_apart, forced=[FORCED] * len(sources))[1]


def bits(model: ServedSlots, kind: str) -> dict[str, bytes]:
    return {name: buffer.tobytes() for name, buffer in model.buffers.items() if f".{kind}." in name}


@pytest.mark.parametrize("build", BUILDS)
@pytest.mark.parametrize("steps_apart", [0, 2])
def test_logits_are_equal_to_the_bit_in_any_batch_and_over_any_garbage(
    package_of: PackageOf, build: str, steps_apart: int
) -> None:
    model, clean = served(package_of(build)), served(package_of(build), garbage=0.0)
    sources = encoded(model)

    together = written(model, sources, steps_apart)

    for source, beside, zeroed in zip(sources, together, written(clean, sources, steps_apart), strict=True):
        np.testing.assert_array_equal(written(model, [source])[0], beside)
        np.testing.assert_array_equal(zeroed, beside)
    assert np.isfinite(np.stack(together)).all()


@pytest.mark.parametrize("build", BUILDS)
def test_buffers_of_sources_are_unchanged_to_the_bit(package_of: PackageOf, build: str) -> None:
    model = served(package_of(build))
    _, rows = model.prefill(encoded(model), PREFIX)
    before, own = bits(model, "encoder"), bits(model, "decoder")

    model.append(rows, [[9, 8, 7]] * len(rows))

    assert bits(model, "encoder") == before
    assert bits(model, "decoder") != own


@pytest.mark.parametrize("build", BUILDS)
@pytest.mark.parametrize("source_length", [0, 1, MAX_TOKENS])
def test_a_free_slot_between_others_changes_nothing_whatever_its_source_length(
    package_of: PackageOf, build: str, source_length: int
) -> None:
    model = served(package_of(build))
    sources = encoded(model)
    isolated = written(model, [sources[0]])[0]

    model.prefill([sources[1]] * NUM_SLOTS, PREFIX)
    model.free(map(Slot, range(NUM_SLOTS)))
    model._source_lengths[1] = source_length
    model._free = [0, 2, 1]
    together = written(model, [sources[0]] * 2)

    for beside in together:
        np.testing.assert_array_equal(beside, isolated)


@pytest.mark.parametrize("build", BUILDS)
def test_a_full_slot_may_be_idle_between_others(package_of: PackageOf, build: str) -> None:
    """As many tokens as the model has learned positions for: no position beyond them may be looked up."""
    model = served(package_of(build))
    sources = encoded(model)
    isolated = written(model, [sources[0]])[0]
    (before, full, after) = model.prefill([sources[0]] * 3, PREFIX)[1]
    model.append([full], [[6] * (model.max_new_tokens - len(PREFIX))])
    held = {name: buffer[full.index, :, : model.max_new_tokens].copy() for name, buffer in model.buffers.items()}

    logits, _ = model.append([before, after], [FORCED[:-1]] * 2)

    for row in logits:
        np.testing.assert_array_equal(row, isolated[1:])
    for name, buffer in model.buffers.items():
        np.testing.assert_array_equal(buffer[full.index, :, : model.max_new_tokens], held[name])
    with pytest.raises(RuntimeError, match="Non-zero status"):
        model.append([full], [[6, 6]])


@pytest.mark.parametrize("build", BUILDS)
def test_it_runs_without_binding(package_of: PackageOf, build: str) -> None:
    model = served(package_of(build), garbage=0.0)
    _, rows = model.prefill(encoded(model)[:2], PREFIX)
    feed: dict[str, Any] = {name: buffer[:2].copy() for name, buffer in model.buffers.items()}
    feed |= {"input_ids": np.array([[9], [9]]), "num_tokens": np.ones(2, np.int64)}
    feed |= {"past_lengths": np.full(2, len(PREFIX)), "source_lengths": np.array(SOURCES[:2])}

    bound, _ = model.append(rows, [[9], [9]])
    logits, *caches = model.decoder.run(["logits", *map(present_of, model.buffers)], feed)

    np.testing.assert_array_equal(np.stack(bound)[:, 0], logits)
    for cache, buffer in zip(caches, model.buffers.values(), strict=True):
        np.testing.assert_array_equal(cache, buffer[:2])


def test_the_examples_in_the_docs_run(package_of: PackageOf, monkeypatch: pytest.MonkeyPatch) -> None:
    page = Path(__file__).parents[3] / "docs" / "architecture" / "06-slot-graphs.md"
    code = page.read_text(encoding="utf-8").split("```python\n")[2].split("```")[0]
    package = package_of("bart")
    monkeypatch.chdir(package.path)

    names: dict[str, Any] = {}
    exec(compile(code, page.name, "exec"), names)

    model = served(package)
    for place, (source, tokens) in {0: ([5, 6, 7, 8], [2, 9]), 2: ([10, 11], [2, 12])}.items():
        logits, _ = model.prefill(model.encode([source]), tokens)
        np.testing.assert_allclose(names["logits"][place], logits[0][-1], atol=1e-4)


@pytest.mark.parametrize(
    ("build", "most_nodes", "most_encoder_nodes"), [("t5", 180, 170), ("bart", 105, 150), ("m2m100", 115, 150)]
)
def test_the_graphs_have_few_leftovers_of_tracing(
    package_of: PackageOf, build: str, most_nodes: int, most_encoder_nodes: int
) -> None:
    package = package_of(build)
    encoder, decoder = (onnx.load(package.file(name)).graph for name in ("encoder_model.onnx", "decoder_model.onnx"))
    kinds = Counter(node.op_type for node in decoder.node)
    layers = 3 if build == "t5" else 2

    assert kinds["GroupQueryAttention"] == 2 * layers
    assert kinds["GatherND"] == 2 * layers
    assert kinds["Softmax"] + kinds["Where"] + kinds["Expand"] + kinds["Gemm"] + kinds["Shape"] == 0
    assert len(decoder.node) <= most_nodes
    assert len(encoder.node) <= most_encoder_nodes
    assert sorted(open_graphs(package, device="cpu", threads=1)) == ["decoder_model.onnx", "encoder_model.onnx"]


@pytest.mark.parametrize("build", BUILDS)
def test_no_file_holds_a_matrix_twice(package_of: PackageOf, build: str) -> None:
    for name in ("encoder_model.onnx", "decoder_model.onnx"):
        tensors = onnx.load(package_of(build).file(name)).graph.initializer
        matrices = [onnx.numpy_helper.to_array(tensor) for tensor in tensors if len(tensor.dims) == 2]
        contents = [min(matrix.tobytes(), matrix.T.tobytes()) for matrix in matrices if matrix.size > 64]
        assert len(contents) == len(set(contents)), name


def odd_t5(folder: Path) -> None:
    """A model whose heads have 12 numbers, which the operator does not support."""
    torch.manual_seed(3)
    tokenizer = T5TokenizerFast(
        tokenizer_object=unigrams(["<pad>", "</s>", "<unk>"]), extra_ids=10, model_max_length=32
    )
    sizes = {"d_model": 32, "d_kv": 12, "d_ff": 64, "num_layers": 2, "num_heads": 4}
    config = T5Config(**sizes, vocab_size=len(tokenizer), decoder_start_token_id=0)
    save(folder, T5ForConditionalGeneration(config), tokenizer)


def test_an_architecture_without_slots_gets_the_merged_graph_and_the_reason(tmp_path: Path) -> None:
    (tmp_path / "source").mkdir()
    odd_t5(tmp_path / "source")
    source = open_source(str(tmp_path / "source"))
    manifest = export_package(ExportRequest(source=source, task="text2text", name="odd", output=tmp_path)).manifest

    assert isinstance(manifest.graph, EncoderDecoder)
    assert "head size divisible by 8" in str(manifest.export["no_slots"])
