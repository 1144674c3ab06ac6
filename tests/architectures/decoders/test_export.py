"""Export of decoders: that the comparison can fail, the manifest, and the limits."""

from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from optimum.exporters.onnx.model_configs import GemmaOnnxConfig
from optimum.exporters.tasks import TasksManager

from contracts.model_package.graphs import DecoderConcat
from contracts.model_package.package import ModelPackage
from onnx_models.architectures.gemma import with_positions
from onnx_models.decoders.concat import ConcatModel
from onnx_models.decoders.metadata import CHAT_TEMPLATE, max_tokens, write_chat_template
from onnx_models.decoders.parity import Continuation, forced_logits
from onnx_models.decoders.reference import ReferenceDecoder
from onnx_models.errors import ExportError, ParityError
from onnx_models.exporting.export import export_package
from onnx_models.exporting.exporters import ExportRequest
from onnx_models.exporting.sources import open_source
from tests.architectures.zoo.decoders import MAX_TOKENS

SourceOf = Callable[[str], Path]


def _export(folder: Path, output: Path, *, limit: int | None = None) -> ModelPackage:
    source = open_source(str(folder))
    return export_package(
        ExportRequest(source=source, task="generate", name="tiny", output=output, cache="concat", max_tokens=limit)
    )


@pytest.fixture(scope="module")
def gpt2(source_of: SourceOf, tmp_path_factory: pytest.TempPathFactory) -> ModelPackage:
    return _export(source_of("decoders:gpt2"), tmp_path_factory.mktemp("gpt2"))


@pytest.fixture
def gemma_without_positions() -> Iterator[None]:
    """Register optimum's own config of Gemma instead of ours."""
    register = TasksManager.create_register("onnx", overwrite_existing=True)
    register("gemma", "text-generation-with-past")(GemmaOnnxConfig)
    yield
    register("gemma", "text-generation-with-past")(with_positions(GemmaOnnxConfig))


@pytest.mark.usefixtures("gemma_without_positions")
def test_gemma_with_the_config_of_optimum_is_refused(source_of: SourceOf, tmp_path: Path) -> None:
    with pytest.raises(ParityError, match="greedily decoded tokens differ"):
        _export(source_of("decoders:gemma"), tmp_path)


def test_the_manifest_states_the_metadata_of_the_source(gpt2: ModelPackage) -> None:
    manifest = gpt2.manifest

    assert (manifest.family, manifest.graph.kind, manifest.architecture) == ("decoder", "decoder-concat", "gpt2")
    assert manifest.limits.max_tokens == MAX_TOKENS
    graph = manifest.graph_as(DecoderConcat)
    assert graph.decoder.vocabulary == 322
    assert graph.generation.eos_token_ids == [2, 4]
    assert (graph.generation.do_sample, graph.generation.top_k) == (True, 20)
    assert sorted(manifest.files) == ["model.onnx", "tokenizer.json"]


def test_a_chat_template_is_part_of_the_package(source_of: SourceOf, tmp_path: Path) -> None:
    package = _export(source_of("decoders:llama"), tmp_path, limit=48)

    assert "<|assistant|>" in package.file(CHAT_TEMPLATE).read_text()
    assert package.manifest.limits.max_tokens == 48


def test_the_default_of_several_chat_templates_is_written(tmp_path: Path) -> None:
    write_chat_template(SimpleNamespace(chat_template={"tool_use": "tools", "default": "plain"}), tmp_path)

    assert (tmp_path / CHAT_TEMPLATE).read_text() == "plain"


def test_more_tokens_than_positions_are_refused(source_of: SourceOf, tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="positions for 96 tokens only"):
        _export(source_of("decoders:gpt2"), tmp_path, limit=MAX_TOKENS + 1)


def test_limits_of_models_without_a_table_of_positions() -> None:
    assert max_tokens(SimpleNamespace(seq_length=2048), None) == 2048
    assert max_tokens(SimpleNamespace(), 100) == 100
    assert max_tokens(SimpleNamespace(max_position_embeddings=64, rope_scaling={"rope_type": "yarn"}), None) == 64
    with pytest.raises(ExportError, match="--max-tokens"):
        max_tokens(SimpleNamespace(), None)


def test_longrope_is_limited_to_its_first_set_of_factors(source_of: SourceOf, tmp_path: Path) -> None:
    package = _export(source_of("decoders:phi3_long"), tmp_path)

    assert package.manifest.limits.max_tokens == MAX_TOKENS // 2


@pytest.mark.parametrize("build", ["decoders:gpt2", "decoders:gemma3", "decoders:bloom"])
def test_the_models_of_the_zoo_are_not_degenerate(source_of: SourceOf, build: str) -> None:
    reference = ReferenceDecoder(open_source(str(source_of(build))))
    written = [reference.generate(prompt, 20) for prompt in ([5, 9, 100], list(range(40, 60)))]

    assert all(len(set(tokens)) >= 6 for tokens in written)
    assert written[0] != written[1]


def test_a_sequence_is_not_affected_by_the_former_content_of_its_slot(gpt2: ModelPackage) -> None:
    first, second = Continuation([3, 4, 5, 6, 7], [8, 9, 10]), Continuation([30, 20], [11, 12, 13, 14])
    model = ConcatModel(gpt2, num_slots=1)

    after = forced_logits(model, [first, second])[1]
    isolated = forced_logits(ConcatModel(gpt2, num_slots=1), [second])[0]

    np.testing.assert_array_equal(after, isolated)


def test_sequences_join_late_and_leave_early(gpt2: ModelPackage) -> None:
    """The calls of a runner, step by step, for texts of 3, 1 and 2 generated tokens in two slots."""
    calls: list[str] = []

    class Recorder(ConcatModel):
        def prefill(self, slot: int, ids: object) -> np.ndarray:
            calls.append(f"prefill {slot}")
            return super().prefill(slot, ids)  # type: ignore[arg-type]

        def step(self, tokens: object) -> dict[int, np.ndarray]:
            calls.append(f"step {sorted(tokens)}")  # type: ignore[call-overload]
            return super().step(tokens)  # type: ignore[arg-type]

        def free(self, slot: int) -> None:
            calls.append(f"free {slot}")
            super().free(slot)

    texts = [Continuation([3], [4, 5, 6]), Continuation([7], [8]), Continuation([9], [10, 11])]
    logits = forced_logits(Recorder(gpt2, num_slots=2), texts)

    assert [rows.shape for rows in logits] == [(3, 322), (1, 322), (2, 322)]
    assert calls == [
        "prefill 0", "step [0]", "prefill 1", "free 1", "step [0]", "prefill 1", "free 0", "step [1]", "free 1",
    ]  # fmt: skip
