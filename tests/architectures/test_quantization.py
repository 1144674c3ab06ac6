"""Quantised packages: their operators, their errors, and whether outputs depend on the batch."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from transformers import BertConfig, BertModel, T5Config, T5ForConditionalGeneration, T5TokenizerFast

from contracts.model_package.manifest import Precision
from contracts.model_package.package import ModelPackage, load_package
from contracts.task_names import TaskName
from onnx_models.errors import ExportError, ParityError
from onnx_models.exporting.export import export_package
from onnx_models.exporting.exporters import ExportRequest
from onnx_models.exporting.manifest_writer import write_manifest
from onnx_models.exporting.sources import Source, open_source
from onnx_models.quantization.convert import convert
from onnx_models.quantization.graphs import graphs_in, load_graph, save_graph
from onnx_models.quantization.weights import ACCURACY_LEVEL, BLOCK, pack
from onnx_models.seq2seq.served import ServedEncoderDecoder
from onnx_models.verification.verify import verified, verify
from tests.architectures.zoo import decoders
from tests.architectures.zoo.common import WIDE, pieces, save
from tests.architectures.zoo.seq2seq import unigrams


def bert(folder: Path) -> None:
    """A BERT whose matrices are all large enough to be quantised."""
    torch.manual_seed(1)
    tokenizer = pieces()
    sizes = {"hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 128}
    config = BertConfig(**sizes, vocab_size=len(tokenizer), max_position_embeddings=64, initializer_range=0.15)
    save(folder, BertModel(config, add_pooling_layer=False), tokenizer)


def t5(folder: Path) -> None:
    """A T5 of the same width; its decoder has two branches that share their weights."""
    torch.manual_seed(2)
    tokenizer = T5TokenizerFast(
        tokenizer_object=unigrams(["<pad>", "</s>", "<unk>"]), extra_ids=10, model_max_length=64
    )
    sizes = {"d_model": 64, "d_kv": 16, "d_ff": 128, "num_layers": 2, "num_heads": 4}
    config = T5Config(**sizes, vocab_size=len(tokenizer), decoder_start_token_id=0, initializer_factor=WIDE)
    save(folder, T5ForConditionalGeneration(config), tokenizer)


Build = tuple[Callable[[Path], None], TaskName, dict[str, Any]]
BUILDS: dict[str, Build] = {
    "bert": (bert, "embed", {"pooling": "mean"}),
    "gpt2": (decoders.gpt2, "generate", {"max_tokens": 32}),
    "gpt2-concat": (decoders.gpt2, "generate", {"max_tokens": 16, "cache": "concat"}),
    "t5": (t5, "text2text", {"max_tokens": 24}),
    "t5-merged": (t5, "text2text", {"max_tokens": 24, "cache": "concat"}),
}
CASES: list[tuple[str, Precision]] = [
    *[(name, precision) for name in ("bert", "gpt2", "t5") for precision in ("int8", "int4", "int8-dynamic")],
    ("gpt2-concat", "int8"),
    *[("t5-merged", precision) for precision in ("int8", "int8-dynamic")],
]


class PackageCache:
    """Packages of tiny models in every precision, each exported and verified once."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._made: dict[tuple[str, Precision], ModelPackage] = {}

    def source(self, name: str) -> Source:
        folder = self._folder / f"{name}-source"
        if not folder.exists():
            folder.mkdir()
            BUILDS[name][0](folder)
        return open_source(str(folder))

    def request(self, name: str, output: Path, precision: Precision = "fp32") -> ExportRequest:
        _, task, options = BUILDS[name]
        return ExportRequest(
            source=self.source(name), task=task, name=name, output=output, precision=precision, **options
        )

    def make(self, name: str, precision: Precision = "fp32") -> ModelPackage:
        key = (name, precision)
        if key not in self._made:
            if precision == "fp32":
                self._made[key] = export_package(self.request(name, self._folder / "fp32"))
            else:
                self._made[key] = self._converted(name, precision)
        return self._made[key]

    def _converted(self, name: str, precision: Precision) -> ModelPackage:
        folder = self._folder / precision / name
        original = self.make(name)
        shutil.copytree(original.path, folder)
        write_manifest(folder, convert(folder, original.manifest, precision))
        package = load_package(folder)
        write_manifest(folder, verified(package.manifest, verify(package, self.source(name), min_cosine=-1.0)))
        return load_package(folder)


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> PackageCache:
    """Return the cache of packages."""
    return PackageCache(tmp_path_factory.mktemp("quantised"))


def _graphs(package: ModelPackage) -> Iterator[onnx.GraphProto]:
    for name in package.manifest.files:
        if name.endswith(".onnx"):
            yield from graphs_in(load_graph(package.path / name).graph)


def _products(package: ModelPackage) -> list[dict[str, Any]]:
    nodes = [node for graph in _graphs(package) for node in graph.node if node.op_type == "MatMulNBits"]
    return [{each.name: helper.get_attribute_value(each) for each in node.attribute} for node in nodes]


@pytest.mark.parametrize(("name", "precision"), [case for case in CASES if case[1] != "int8-dynamic"])
def test_every_product_with_a_constant_is_quantised_at_the_fast_accuracy_level(
    name: str, precision: Precision, packages: PackageCache
) -> None:
    package = packages.make(name, precision)
    products = _products(package)
    assert len(products) >= 8
    for attributes in products:
        assert attributes["accuracy_level"] == ACCURACY_LEVEL == 4
        assert (attributes["bits"], attributes["block_size"]) == (int(precision[3:]), BLOCK)
    constants = {tensor.name: tensor for graph in _graphs(package) for tensor in graph.initializer}
    for graph in _graphs(package):
        for node in graph.node:
            if node.op_type in ("MatMul", "Gemm") and node.input[1] in constants:
                assert np.prod(constants[node.input[1]].dims) < 4096, node.name


def test_a_matrix_of_two_branches_is_quantised_once(packages: PackageCache) -> None:
    decoder = load_graph(packages.make("t5-merged", "int8").path / "decoder_model_merged.onnx")
    inputs = [
        node.input[1] for graph in graphs_in(decoder.graph) for node in graph.node if node.op_type == "MatMulNBits"
    ]
    stored = [tensor.name for graph in graphs_in(decoder.graph) for tensor in graph.initializer]
    assert len(inputs) > len(set(inputs))
    assert len(stored) == len(set(stored)) and set(inputs) <= set(stored)


@pytest.mark.parametrize("name", ["bert", "gpt2", "t5"])
@pytest.mark.parametrize("precision", ["int8", "int4"])
def test_outputs_of_quantised_weights_are_equal_to_the_bit_alone_and_in_a_batch(
    name: str, precision: Precision, packages: PackageCache
) -> None:
    manifest = packages.make(name, precision).manifest
    assert manifest.verified["batch_diff"] == 0.0
    assert manifest.verified["rows"] > 10
    assert manifest.batch_safe


def test_rows_of_equal_length_hardly_influence_each_other_in_quantised_seq2seq(
    packages: PackageCache,
) -> None:
    def difference(precision: Precision) -> float:
        served = ServedEncoderDecoder(packages.make("t5-merged", precision))
        rng = np.random.default_rng(3)
        sources, tokens = rng.integers(3, 100, (6, 17)).tolist(), rng.integers(3, 100, (6, 4)).tolist()

        def answer(rows: list[int]) -> list[Any]:
            logits, state = served.prefill(served.encode([sources[row] for row in rows]), [0])
            for step in range(4):
                logits, state = served.append(state, [[tokens[row][step]] for row in rows])
            return logits

        return max(np.abs(answer([row])[0] - beside).max() for row, beside in enumerate(answer([*range(6)])))

    # T5's norms are sums that ONNX Runtime adds up in another order for a single row: 1e-8, in float32 too.
    assert difference("fp32") < 1e-6
    assert difference("int8") < 1e-4
    assert difference("int8-dynamic") > 1e-3


@pytest.mark.parametrize("name", ["t5-merged", "gpt2-concat"])
def test_padded_caches_amplify_rounding_and_the_manifest_says_so(name: str, packages: PackageCache) -> None:
    # Padding changes the order of a sum in float32: by 1e-5 there, by much more once activations are rounded after it.
    manifest = packages.make(name, "int8").manifest
    assert 0.0 < packages.make(name).manifest.verified["batch_diff"] < 1e-4
    assert manifest.batch_safe == (manifest.verified["batch_diff"] == 0.0)


@pytest.mark.parametrize("name", ["bert", "gpt2", "t5"])
def test_dynamic_quantisation_is_never_batch_safe_and_that_is_measured(name: str, packages: PackageCache) -> None:
    manifest = packages.make(name, "int8-dynamic").manifest
    assert manifest.verified["batch_diff"] > 0.0
    assert not manifest.batch_safe


@pytest.mark.parametrize("name", ["bert", "gpt2", "t5"])
def test_fewer_bits_have_larger_errors(name: str, packages: PackageCache) -> None:
    eight, four = (packages.make(name, precision).manifest for precision in ("int8", "int4"))
    assert 1.0 > eight.verified["min_cosine"] > four.verified["min_cosine"]
    assert eight.verified["min_cosine"] >= 0.98
    assert eight.verified["top1_agreement"] >= four.verified["top1_agreement"]


@pytest.mark.parametrize(("name", "precision"), CASES)
def test_sizes_are_recorded(name: str, precision: Precision, packages: PackageCache) -> None:
    original, package = packages.make(name), packages.make(name, precision)
    sizes = [sum((each.path / file).stat().st_size for file in each.manifest.files) for each in (original, package)]
    assert package.manifest.export["size_bytes"] == sizes[1] < sizes[0]
    assert package.manifest.export["size_ratio"] == pytest.approx(sizes[1] / sizes[0], abs=1e-4)
    assert package.manifest.precision == precision
    assert package.manifest.version == f"{original.manifest.revision}+{precision}"


@pytest.mark.parametrize(("name", "graph"), [("gpt2", "model.onnx"), ("t5", "decoder_model.onnx")])
def test_half_precision_has_fp16_caches_and_fp32_logits(name: str, graph: str, packages: PackageCache) -> None:
    package = packages.make(name, "fp16")
    session = onnxruntime.InferenceSession(package.file(graph), providers=["CPUExecutionProvider"])
    types = {tensor.name: tensor.type for tensor in (*session.get_inputs(), *session.get_outputs())}
    assert types["logits"] == "tensor(float)"
    assert {types[name] for name in types if name.startswith(("past_key", "present"))} == {"tensor(float16)"}
    casts = [node for node in load_graph(package.file(graph)).graph.node if node.op_type == "Cast"]
    assert not any(name.startswith(("past_key", "present")) for node in casts for name in (*node.input, *node.output))
    assert package.manifest.verified["min_cosine"] >= 0.999
    assert package.manifest.export["size_ratio"] < 0.75


def test_half_precision_of_an_encoder_has_fp32_inputs_and_outputs(packages: PackageCache) -> None:
    package = packages.make("bert", "fp16")
    session = onnxruntime.InferenceSession(package.file("model.onnx"), providers=["CPUExecutionProvider"])
    assert [tensor.type for tensor in session.get_outputs()] == ["tensor(float)"]
    assert package.manifest.verified["min_cosine"] >= 0.999


def test_half_precision_of_a_graph_with_branches_is_refused(packages: PackageCache, tmp_path: Path) -> None:
    shutil.copytree(packages.make("t5-merged").path, tmp_path / "t5")
    with pytest.raises(ExportError, match="branches can't be converted to half precision"):
        convert(tmp_path / "t5", packages.make("t5-merged").manifest, "fp16")


def test_a_cosine_below_the_limit_is_refused_and_leaves_no_files(packages: PackageCache, tmp_path: Path) -> None:
    with pytest.raises(ParityError, match=r"int4 differs too much from the reference: smallest cosine 0\.\d+"):
        export_package(packages.request("bert", tmp_path, "int4"), min_cosine=0.9999)
    assert [*tmp_path.iterdir()] == []
    manifest = export_package(packages.request("bert", tmp_path, "int8"), min_cosine=0.99).manifest
    assert (manifest.precision, manifest.batch_safe) == ("int8", True)
    assert manifest.verified["min_cosine"] >= 0.99


def test_graphs_without_matrices_are_refused(packages: PackageCache, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(ExportError, match="no matrices that int8 could make smaller"):
        convert(tmp_path / "empty", packages.make("bert").manifest, "int8")


@pytest.mark.parametrize("bits", [8, 4])
@pytest.mark.parametrize("shape", [(64, 48), (70, 33), (16, 5)])
def test_onnx_runtime_unpacks_the_packed_weights(bits: int, shape: tuple[int, int]) -> None:
    matrix = np.random.default_rng(4).normal(0, 0.3, shape).astype(np.float32)
    matrix[:, 1] = 0
    weights, scales = pack(matrix, bits)
    product = helper.make_node(
        "MatMulNBits", ["a", "weights", "scales"], ["b"], domain="com.microsoft", K=shape[0], N=shape[1], bits=bits,
        block_size=BLOCK, accuracy_level=ACCURACY_LEVEL,
    )  # fmt: skip
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [None, None]) for name in "ab"]
    constants = [numpy_helper.from_array(array, name) for array, name in ((weights, "weights"), (scales, "scales"))]
    graph = helper.make_graph([product], "product", ends[:1], ends[1:], constants)
    opsets = [helper.make_opsetid("", 18), helper.make_opsetid("com.microsoft", 1)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=8)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    read = session.run(None, {"a": np.eye(shape[0], dtype=np.float32)})[0]

    steps = np.repeat(np.abs(scales), BLOCK, axis=1)[:, : shape[0]].T
    assert (np.abs(read - matrix) <= steps * 1.01 + 1e-7).all()
    assert (np.abs(read - matrix) <= steps * 0.51 + 1e-3).mean() > 0.95
    assert not read[:, 1].any()


@pytest.mark.parametrize("precision", ["int8", "int8-dynamic", "fp16"])
def test_external_weights_are_converted_too(precision: Precision, packages: PackageCache, tmp_path: Path) -> None:
    shutil.copytree(packages.make("bert").path, tmp_path, dirs_exist_ok=True)
    file, data = tmp_path / "model.onnx", tmp_path / "model.onnx_data"
    names = {each.name for each in tmp_path.iterdir()}
    save_graph(load_graph(file), file, most_inline_bytes=0)
    assert {each.name for each in tmp_path.iterdir()} == {*names, data.name}
    assert data.stat().st_size > 100_000

    manifest = convert(tmp_path, packages.make("bert").manifest, precision)
    assert {each.name for each in tmp_path.iterdir()} == names
    assert sorted(manifest.files) == sorted(names - {"manifest.toml"})
    expected = packages.make("bert", precision).path / "model.onnx"
    feed = {name: np.ones((1, 5), np.int64) for name in ("input_ids", "attention_mask", "token_type_ids")}
    answers = [onnxruntime.InferenceSession(each).run(None, feed)[0] for each in (file, expected)]
    np.testing.assert_array_equal(*answers)
