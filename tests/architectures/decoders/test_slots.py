"""Slot graphs of decoders keep the promises of docs/architecture/06-slot-graphs.md."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from transformers import AutoModelForCausalLM, GlmConfig, GPT2Config, GPTNeoConfig, LlamaConfig, PretrainedConfig

from contracts.model_package.graphs import DecoderConcat, DecoderSlots
from contracts.model_package.package import ModelPackage
from onnx_models.decoders.concat import ConcatModel
from onnx_models.decoders.parity import Continuation, forced_logits
from onnx_models.decoders.runner import Floats, Runner
from onnx_models.decoders.slot_model import SlotModel
from onnx_models.decoders.slots.export import export_slots
from onnx_models.exporting.export import export_package
from onnx_models.exporting.exporters import ExportRequest
from onnx_models.exporting.sources import open_source
from onnx_models.slots import finishing
from onnx_models.verification.session import open_session
from tests.architectures.cases.decoders import CASES
from tests.architectures.zoo.common import WIDE, byte_pairs, save
from tests.architectures.zoo.decoders import MAX_TOKENS, SPECIAL

EVERY = [case.build.removeprefix("decoders:") for case in CASES if case.slots]
BUILDS = ("gpt2", "mistral", "gemma2", "bloom")
"""Learned positions; rotation, grouped queries and a sliding window; soft caps; a bias of the scores."""
LENGTHS = (3, 1, 17, 8, 30, 12, 60, 5)
PackageOf = Callable[..., ModelPackage]
OWN = [[["global", "local"], 1]]
SCALING = {"factor": 4.0, "original_max_position_embeddings": 32}
FREQUENCIES = {"low_freq_factor": 1, "high_freq_factor": 4}
LLAMA = {"num_key_value_heads": 2, "intermediate_size": 96, "max_position_embeddings": MAX_TOKENS}


def prompts() -> list[list[int]]:
    rng = np.random.default_rng(7)
    return [rng.integers(5, 322, length).tolist() for length in LENGTHS]


def write(runner: Runner, prompt: list[int], num_tokens: int) -> Continuation:
    """Return the greedily decoded tokens after a prompt."""
    logits, tokens = runner.prefill(0, prompt), []
    while len(tokens) < num_tokens:
        tokens.append(int(logits.argmax()))
        logits = runner.step({0: tokens[-1]})[0]
    runner.free(0)
    return Continuation(prompt, tokens)


def slot_model(package: ModelPackage, num_slots: int = 4, *, garbage: float = np.nan, length: int = 90) -> SlotModel:
    model = SlotModel(package, num_slots, length)
    for buffer in model.buffers.values():
        buffer[:] = garbage
    return model


def near(found: Floats, expected: Floats) -> None:
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-4 * max(1.0, float(np.abs(expected).max())))


@pytest.mark.parametrize("build", EVERY)
def test_continuous_batching_gives_the_tokens_of_the_concat_graph(package_of: PackageOf, build: str) -> None:
    concat = ConcatModel(package_of(build, "concat"))
    texts = [write(concat, prompt, 15) for prompt in prompts()]
    model = slot_model(package_of(build), garbage=1e4)

    for text, together in zip(texts, forced_logits(model, texts, 3), strict=True):
        assert together.argmax(axis=1).tolist() == text.tokens
        near(together, forced_logits(concat, [text])[0])


@pytest.mark.parametrize("build", BUILDS)
def test_unused_positions_never_influence_a_result(package_of: PackageOf, build: str) -> None:
    texts = [Continuation(prompt, [5, 6, 7, 8]) for prompt in prompts()]

    clean = forced_logits(slot_model(package_of(build), garbage=0.0), texts, 2)
    dirty = forced_logits(slot_model(package_of(build), garbage=np.nan), texts, 2)

    for left, right in zip(clean, dirty, strict=True):
        np.testing.assert_array_equal(left, right)


@pytest.mark.parametrize("build", BUILDS)
def test_logits_are_equal_to_the_bit_in_any_batch(package_of: PackageOf, build: str) -> None:
    model = slot_model(package_of(build))
    texts = [Continuation(prompt, [9, 50, 7, 300, 20]) for prompt in prompts()]

    for text, together in zip(texts, forced_logits(model, texts), strict=True):
        np.testing.assert_array_equal(forced_logits(model, [text])[0], together)


@pytest.mark.parametrize("build", BUILDS)
@pytest.mark.parametrize("pieces", [(1, 59), (20, 20, 20), (13, 1, 1, 45)])
def test_a_prompt_may_be_prefilled_in_chunks(package_of: PackageOf, build: str, pieces: tuple[int, ...]) -> None:
    model, prompt = slot_model(package_of(build)), prompts()[6]
    whole = model.prefill(0, prompt)

    start = 0
    for length in pieces:
        last = model.prefill(1, prompt[start : start + length])
        start += length

    near(last, whole)
    after = model.step({0: 11, 1: 11})
    near(after[1], after[0])


@pytest.mark.parametrize("build", BUILDS)
def test_a_slot_may_be_idle_between_chunks_of_its_prompt(package_of: PackageOf, build: str) -> None:
    model, prompt = slot_model(package_of(build)), prompts()[6]
    whole = model.prefill(1, prompt)
    model.free(1)
    for row in (0, 2):
        model.prefill(row, [30, 20])

    for start in range(0, 60, 20):
        last = model.prefill(1, prompt[start : start + 20])
        model.step({0: 11, 2: 12})

    np.testing.assert_allclose(last, whole, atol=1e-4)


@pytest.mark.parametrize("build", BUILDS)
def test_prompts_of_different_length_are_prefilled_in_one_call(package_of: PackageOf, build: str) -> None:
    model = slot_model(package_of(build), len(LENGTHS))
    isolated = [forced_logits(model, [Continuation(prompt, [40, 41])])[0] for prompt in prompts()]

    first = model.run(0, prompts())
    second = model.step(dict.fromkeys(range(len(LENGTHS)), 40))

    for row, expected in enumerate(isolated):
        near(first[row], expected[0])
        near(second[row], expected[1])


@pytest.mark.parametrize("build", BUILDS)
def test_it_runs_without_binding_and_with_more_padding_than_needed(package_of: PackageOf, build: str) -> None:
    model = slot_model(package_of(build), 2, garbage=0.0)
    past = {name: buffer.copy() for name, buffer in model.buffers.items()}
    bound = model.run(0, [[7, 8, 9], [10]])

    feed = {
        "input_ids": np.array([[7, 8, 9, 0, 0], [10, 0, 0, 0, 0]]),
        "past_lengths": np.zeros(2, np.int64),
        "num_tokens": np.array([3, 1]),
    }
    logits, key, *_ = open_session(package_of(build)).run(None, feed | past)

    near(logits, bound)
    name = "past_key_values.0.key"
    assert not past[name].any()
    np.testing.assert_allclose(key[0, :, :3], model.buffers[name][0, :, :3], atol=1e-6)


def test_buffers_are_updated_in_place_and_only_at_new_positions(package_of: PackageOf) -> None:
    model = slot_model(package_of("mistral"), 3)
    places = {name: buffer.ctypes.data for name, buffer in model.buffers.items()}

    model.prefill(1, [5, 6, 7, 8])
    model.step({1: 9})

    for name, buffer in model.buffers.items():
        assert buffer.ctypes.data == places[name]
        written = np.isfinite(buffer).all(axis=(1, 3))
        assert np.argwhere(written).tolist() == [[1, position] for position in range(5)]
        assert np.isnan(buffer[~written[:, None, :, None].repeat(buffer.shape[1], 1).repeat(buffer.shape[3], 3)]).all()


def test_a_full_slot_may_be_idle_between_others(package_of: PackageOf) -> None:
    """As many tokens as the model has learned positions for: no position beyond them may be looked up."""
    model = slot_model(package_of("gpt2"), 3, length=MAX_TOKENS)
    model.prefill(1, [5] * MAX_TOKENS)
    full = {name: buffer[1, :, :MAX_TOKENS].copy() for name, buffer in model.buffers.items()}
    for row in (0, 2):
        model.prefill(row, [7])

    together = model.step({0: 8, 2: 8})

    np.testing.assert_array_equal(together[0], together[2])
    for name, buffer in model.buffers.items():
        np.testing.assert_array_equal(buffer[1, :, :MAX_TOKENS], full[name])


def test_chunks_of_several_prompts_can_not_share_a_call(package_of: PackageOf) -> None:
    package = package_of("gpt2")
    model = slot_model(package)
    model.run(0, [[5, 6], [7, 8]])

    assert package.manifest.graph_as(DecoderSlots).decoder.attention == "group_query"
    with pytest.raises(RuntimeError, match="batch_size must be 1"):
        model.run(0, [[5, 6], [7, 8]])


def test_writing_beyond_the_end_is_refused_and_changes_no_slot(package_of: PackageOf) -> None:
    model = slot_model(package_of("mistral"), 2, length=10, garbage=0.0)
    model.prefill(0, [5] * 8)
    before = {name: buffer.copy() for name, buffer in model.buffers.items()}

    with pytest.raises(RuntimeError, match="total_sequence_length"):
        model.prefill(0, [5] * 8)

    for name, buffer in model.buffers.items():
        np.testing.assert_array_equal(buffer[1], before[name][1])


def test_the_example_in_the_docs_runs(package_of: PackageOf, monkeypatch: pytest.MonkeyPatch) -> None:
    page = Path(__file__).parents[3] / "docs" / "architecture" / "06-slot-graphs.md"
    code = page.read_text(encoding="utf-8").split("```python\n")[1].split("```")[0]
    package = package_of("gpt2")
    monkeypatch.chdir(package.path)

    names: dict[str, Any] = {}
    exec(compile(code, page.name, "exec"), names)

    texts = [Continuation([5, 6, 7], [13, 0]), Continuation([9, 10, 11, 12], [14, 0])]
    for row, text in zip((0, 2), texts, strict=True):
        near(names["logits"][row], forced_logits(slot_model(package), [text])[0][1])
    assert names["lengths"].tolist() == [0, 1, 5]


def test_the_graph_has_no_leftovers_of_tracing(package_of: PackageOf) -> None:
    model = onnx.load(package_of("gpt2").file("model.onnx"))
    kinds = Counter(node.op_type for node in model.graph.node)
    sizes = [tuple(tensor.dims) for tensor in model.graph.initializer]

    assert kinds["GroupQueryAttention"] == 2
    assert kinds["Reshape"] + kinds["Softmax"] + kinds["Where"] + kinds["Expand"] == 0
    assert kinds["Gemm"] == 0
    assert kinds["Transpose"] == 1  # of the embedding, for the logits
    assert len(model.graph.node) <= 80
    assert (sizes.count((322, 64)), sizes.count((64, 322))) == (1, 0)
    assert model.ir_version <= 13
    assert {each.domain for each in model.opset_import} == {"", "com.microsoft"}


def test_a_rotated_layer_is_its_projections_and_three_operators(package_of: PackageOf) -> None:
    model = onnx.load(package_of("mistral").file("model.onnx"))
    kinds = Counter(node.op_type for node in model.graph.node if "layers.1/self_attn" in node.output[0])

    assert kinds == {"MatMul": 4, "RotaryEmbedding": 2, "GroupQueryAttention": 1}


def export_tiny(folder: Path, config_class: type[PretrainedConfig], options: dict[str, Any]) -> ModelPackage:
    """Export and verify a tiny model with random weights."""
    torch.manual_seed(3)
    (folder / "source").mkdir()
    tokenizer = byte_pairs(special=SPECIAL)
    ids = {"vocab_size": len(tokenizer), "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}
    sizes = {"hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4, "initializer_range": WIDE}
    config = config_class(**{**sizes, **ids, **options})
    save(folder / "source", AutoModelForCausalLM.from_config(config), tokenizer)
    source = open_source(str(folder / "source"))
    return export_package(ExportRequest(source=source, task="generate", name="tiny", output=folder, max_tokens=64))


@pytest.mark.parametrize(
    ("config_class", "options", "reason"),
    [
        (GPT2Config, {"hidden_size": 48}, "head size divisible by 8"),
        (GPTNeoConfig, {"num_layers": 2, "num_heads": 4, "attention_types": OWN}, "attention interface"),
    ],
    ids=["odd-heads", "own-attention"],
)
def test_an_architecture_without_slots_gets_the_concat_graph_and_the_reason(
    tmp_path: Path, config_class: type[PretrainedConfig], options: dict[str, Any], reason: str
) -> None:
    manifest = export_tiny(tmp_path, config_class, options).manifest

    assert isinstance(manifest.graph, DecoderConcat)
    assert reason in str(manifest.export["no_slots"])


@pytest.mark.parametrize(
    ("config_class", "options"),
    [
        (GPT2Config, {"scale_attn_by_inverse_layer_idx": True}),
        (LlamaConfig, LLAMA | {"rope_scaling": {"rope_type": "llama3", **SCALING, **FREQUENCIES}}),
        (LlamaConfig, LLAMA | {"rope_scaling": {"rope_type": "yarn", **SCALING}}),
        (GlmConfig, LLAMA | {"head_dim": 16}),
    ],
    ids=["scaled-by-layer", "llama3-rope", "yarn-rope", "neighbours-rotated"],
)
def test_options_of_architectures_are_in_the_graph(
    tmp_path: Path, config_class: type[PretrainedConfig], options: dict[str, Any]
) -> None:
    """The export compares the graph with the model, which applies the options of its config."""
    assert export_tiny(tmp_path, config_class, options).manifest.graph.kind == "decoder-slots"


def test_weights_that_one_file_can_not_hold_get_a_second_file(
    source_of: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(finishing, "_MAX_FILE_BYTES", 0)

    export_slots(open_source(str(source_of("decoders:gpt2"))), tmp_path)

    assert sorted(path.name for path in tmp_path.iterdir()) == ["model.onnx", "model.onnx_data"]
    assert (tmp_path / "model.onnx").stat().st_size < (tmp_path / "model.onnx_data").stat().st_size
