"""Models of all kinds of graphs can be measured, and no slot stays in use."""

from pathlib import Path

import numpy as np
import pytest

from contracts.model_package.package import ModelPackage
from contracts.task_names import TaskName
from onnx_models.exporting.export import export_package
from onnx_models.exporting.exporters import ExportRequest
from onnx_models.exporting.sources import open_source
from tests.architectures.conftest import PackageOf
from tests.architectures.decoding.engines import Model
from tests.architectures.decoding.test_saved_sequences import SEQ2SEQ
from tests.architectures.zoo import transformer_xl
from workers.runtime.decoding.caches.cache import EncoderDecoderCache
from workers.runtime.decoding.measuring import NEW_TOKENS, measure_generation
from workers.runtime.decoding.request import GenerationRequest

TOKEN = 5


def check_measured(package: ModelPackage) -> None:
    model = Model(package, max_rows=8)
    cache = model.cache

    def decoder_request(num_tokens: int, max_new_tokens: int) -> GenerationRequest:
        return GenerationRequest(np.full(num_tokens, TOKEN), max_new_tokens)

    def source_request(num_tokens: int, max_new_tokens: int) -> GenerationRequest:
        most = min(max_new_tokens, cache.max_tokens - 1)
        return GenerationRequest(np.array([TOKEN]), most, source_ids=np.full(num_tokens, TOKEN))

    if isinstance(cache, EncoderDecoderCache):
        times = measure_generation(model, source_request, cache.max_source_tokens)
    else:
        times = measure_generation(model, decoder_request, cache.max_tokens - NEW_TOKENS)
    assert times.step_s > 0 and times.token_out_s > 0 and times.read.row_s + times.read.token_in_s > 0
    assert cache.tokens_held == 0, "a slot is still in use"


@pytest.mark.parametrize("cache", ["slots", "concat"])
def test_a_decoder_is_measured(cache: str, package_of: PackageOf) -> None:
    check_measured(package_of("gpt2", cache))


@pytest.mark.filterwarnings("ignore:The output of TransfoXL:DeprecationWarning")
def test_transformer_xl_is_measured(tmp_path: Path) -> None:
    transformer_xl.write(tmp_path, div_val=4, same_length=True)
    source = open_source(str(tmp_path))
    request = ExportRequest(source=source, task="generate", name="xl", output=tmp_path / "packages", max_tokens=60)
    check_measured(export_package(request))


@pytest.mark.parametrize(("build", "task", "cache"), SEQ2SEQ)
def test_an_encoder_decoder_is_measured(build: str, task: TaskName, cache: str, seq2seq_package_of: PackageOf) -> None:
    check_measured(seq2seq_package_of(build, task, cache))


def test_a_text_autoencoder_is_measured(seq2seq_package_of: PackageOf) -> None:
    check_measured(seq2seq_package_of("classic:text_autoencoder", "denoise"))
