"""Sources of encoder-decoders: as long as the memory for model calls allows, which is given back after long ones."""

from pathlib import Path

import numpy as np
import pytest

from contracts.model_package.package import PackageError, load_package
from contracts.settings import StoreSettings
from tests.support.attention_package import write_attention_autoencoder
from workers.runtime.decoding.caches.cache import EncoderDecoderCache
from workers.runtime.decoding.caches.encoder_decoder.open_cache import open_encoder_decoder_cache
from workers.runtime.process.memory import release_memory, resident_bytes
from workers.runtime.settings import WorkerSettings

MAX_TOKENS = 8192
NOISE_BYTES = 48 << 20


def opened(folder: Path, max_memory: int) -> EncoderDecoderCache:
    package = load_package(write_attention_autoencoder(folder / "long", heads=4, max_tokens=MAX_TOKENS))
    return open_encoder_decoder_cache(package, WorkerSettings(StoreSettings(), max_memory=max_memory))


def test_the_longest_source_is_one_that_fits_and_its_memory_is_given_back(tmp_path: Path) -> None:
    """With all 8,192 tokens a call takes 3 GB, and would keep it."""
    cache = opened(tmp_path, max_memory=700)
    assert 512 <= cache.max_source_tokens < MAX_TOKENS
    release_memory()
    before = resident_bytes()
    slot = cache.allocate(1)
    assert slot is not None
    cache.encode([slot], np.full(cache.max_source_tokens, 5, np.int64))
    release_memory()  # of what other tests have left; ONNX Runtime's arenas are not touched by this
    assert resident_bytes() - before < NOISE_BYTES
    with pytest.raises(ValueError, match="source"):
        cache.encode([slot], np.full(cache.max_source_tokens + 1, 5, np.int64))


def test_without_room_for_512_tokens_the_package_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PackageError, match="long: a model call of 512 tokens takes"):
        opened(tmp_path, max_memory=130)
