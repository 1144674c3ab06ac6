"""The warm-up of an encoder, which costs the same whatever maximum its package states."""

import tracemalloc
from pathlib import Path

from contracts.model_package.package import load_package
from contracts.settings import StoreSettings
from tests.support.tiny_package import write_package
from workers.encoder.embed import embed_head
from workers.encoder.model import EncoderModel
from workers.runtime.settings import WorkerSettings

MAX_TOKENS = 2_000_000


def test_a_maximum_of_any_size_is_not_warmed_up(tmp_path: Path) -> None:
    """A graph without positions takes any length: with 150 million tokens the worker used gigabytes for minutes."""
    folder = write_package(tmp_path / "tiny", max_tokens=MAX_TOKENS)
    with (folder / "manifest.toml").open("a") as manifest:
        manifest.write(f"[batching]\nmax_batch_tokens = {MAX_TOKENS}\n")
    package = load_package(folder)
    model = EncoderModel(package, WorkerSettings(StoreSettings(), max_memory=1 << 30), embed_head(package.manifest))
    tracemalloc.start()
    try:
        model.warm_up()
        assert tracemalloc.get_traced_memory()[1] < MAX_TOKENS
    finally:
        tracemalloc.stop()
    assert model.tokenizer.max_tokens == MAX_TOKENS
