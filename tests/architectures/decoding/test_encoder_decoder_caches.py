"""The caches of encoder-decoders: a sequence never depends on which others share its batches."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import msgspec
import numpy as np
import pytest

from contracts.model_package.graphs import EncoderDecoderGraph
from contracts.model_package.package import ModelPackage, PackageError
from contracts.settings import StoreSettings
from contracts.task_names import TaskName
from onnx_models.classic.networks.base import load
from onnx_models.classic.networks.lstm_attention import LstmAttention
from onnx_models.classic.recurrent.reference import TextbookLstmAttention
from onnx_models.classic.text_autoencoder import ServedTextAutoencoder
from onnx_models.exporting.sources import open_source
from onnx_models.seq2seq.parity import prefix_of
from onnx_models.seq2seq.reference import ReferenceEncoderDecoder
from tests.architectures.conftest import PackageOf
from tests.architectures.decoding.search_composition import Search, logits_alone, search_together
from workers.runtime.decoding.caches.cache import EncoderDecoderCache
from workers.runtime.decoding.caches.encoder_decoder.open_cache import open_encoder_decoder_cache
from workers.runtime.decoding.caches.encoder_decoder.slots import EncoderDecoderSlotCache
from workers.runtime.decoding.caches.slots.table import Move, SlotTable
from workers.runtime.settings import WorkerSettings

Exporter = Literal["slots", "concat"]
SLOTS: list[tuple[str, TaskName]] = [
    ("t5", "summarize"), ("t5_gated", "text2text"), ("mt5", "text2text"), ("bart", "denoise"), ("pegasus", "summarize"),
    ("marian", "translate"), ("m2m100", "translate"), ("nllb", "translate"), ("mbart", "translate"),
]  # fmt: skip
STATEFUL: list[tuple[str, TaskName]] = [*SLOTS, ("bert_gpt2", "summarize")]
LSTM, AUTOENCODER = "classic:lstm_attention", "classic:text_autoencoder"
LENGTHS = (7, 3, 31, 12, 1, 22)
NUM_BEAMS = (1, 3, 1, 1, 4, 2)
NUM_TOKENS = (12, 9, 5, 1, 10, 12)
WRONG = 10_000


def opened(package: ModelPackage, **settings: Any) -> EncoderDecoderCache:
    """Return a cache. The buffers of a slot cache are filled with garbage."""
    cache = open_encoder_decoder_cache(package, WorkerSettings(StoreSettings(), **{"max_rows": 8, **settings}))
    if isinstance(cache, EncoderDecoderSlotCache):
        for buffer in (*cache._buffers, *cache._source_buffers):
            buffer.memory.numpy()[:] = np.nan
    return cache


def searches(package: ModelPackage) -> list[Search]:
    rng, prefix = np.random.default_rng(5), prefix_of(package.manifest)
    return [
        Search(
            rng.integers(5, 200 if isinstance(package.manifest.graph, EncoderDecoderGraph) else 16, length).tolist(),
            prefix,
            tokens,
            beams,
        )
        for length, beams, tokens in zip(LENGTHS, NUM_BEAMS, NUM_TOKENS, strict=True)
    ]


def check_alone(cache: EncoderDecoderCache, together: list[Search], atol: float) -> None:
    """Compute each sequence alone: at every token, its logits must be as near as ``atol`` times the largest."""
    for search in together:
        for text in search.texts:
            for length, isolated in enumerate(logits_alone(cache, search.source, text), 1):
                found = search.logits[tuple(text[:length])]
                np.testing.assert_allclose(found, isolated, rtol=0, atol=atol * float(np.abs(isolated).max()))
    assert cache.tokens_held == 0


def check_likeliest(together: list[Search], expected: Callable[[Search], list[int]]) -> None:
    """Sequences without other beams must be those of the reference."""
    for search in together:
        if search.num_beams == 1:
            last = int(search.logits[tuple(search.texts[0])].argmax())
            assert [*search.texts[0], last][len(search.prefix) :] == expected(search)


def generated_by(source: Path, task: TaskName) -> Callable[[Search], list[int]]:
    """Return what transformers' ``generate`` returns."""
    reference = ReferenceEncoderDecoder(open_source(str(source)), task)
    return lambda search: reference.greedy(search.source, search.prefix, search.num_tokens + 1, None)


@pytest.mark.parametrize(("build", "task"), SLOTS)
def test_sequences_in_slots_equal_those_of_generate_and_to_the_bit_those_alone(
    build: str,
    task: TaskName,
    seq2seq_package_of: PackageOf,
    source_of: Callable[[str], Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    moves, apply_move = list[Move](), SlotTable.apply_move
    monkeypatch.setattr(SlotTable, "apply_move", lambda table, move: (moves.append(move), apply_move(table, move)))
    package = seq2seq_package_of(f"seq2seq:{build}", task)
    cache, expected = opened(package), generated_by(source_of(f"seq2seq:{build}"), task)
    assert isinstance(cache, EncoderDecoderSlotCache)
    for seed in (1, 2):
        together = searches(package)
        search_together(cache, together, seed)
        check_likeliest(together, expected)
        check_alone(cache, together, atol=0)
    assert any(move.num_source_tokens for move in moves)


@pytest.mark.parametrize(("build", "task"), STATEFUL)
def test_sequences_in_a_stateful_cache_equal_those_of_generate(
    build: str, task: TaskName, seq2seq_package_of: PackageOf, source_of: Callable[[str], Path]
) -> None:
    package = seq2seq_package_of(f"seq2seq:{build}", task, "concat")
    cache, together = opened(package), searches(package)
    search_together(cache, together, 3)
    check_likeliest(together, generated_by(source_of(f"seq2seq:{build}"), task))
    check_alone(cache, together, atol=1e-4)


def test_sequences_of_a_recurrent_network_equal_those_of_the_textbook(
    seq2seq_package_of: PackageOf, source_of: Callable[[str], Path]
) -> None:
    package = seq2seq_package_of(LSTM, "text2text")
    cache, together = opened(package), searches(package)
    search_together(cache, together, 4)
    textbook = TextbookLstmAttention(load(LstmAttention, source_of(LSTM)))
    check_likeliest(together, lambda one: textbook.generate(textbook.encode([one.source])[0], one.num_tokens + 1)[0])
    check_alone(cache, together, atol=1e-5)


def test_a_text_autoencoder_returns_one_position_after_the_other(seq2seq_package_of: PackageOf) -> None:
    package = seq2seq_package_of(AUTOENCODER, "denoise")
    cache, sources = opened(package), [[5, 6, 7, 8], [9, 10, 5]]
    slots = [cache.allocate(len(source) + 1) for source in sources]
    held = [slot for slot in slots if slot is not None]
    for slot, source in zip(held, sources, strict=True):
        cache.encode([slot], np.array(source))
    rows = [cache.step(held, [0, 0]).copy() for _ in range(3)]
    served = ServedTextAutoencoder(package)
    for index, source in enumerate(sources):
        expected = served.run([source])[0]["logits"]
        np.testing.assert_allclose(np.stack([row[index] for row in rows]), expected[:3], atol=1e-5)
    assert cache.tokens_held == 7
    with pytest.raises(ValueError, match="more tokens than its source"):
        cache.step(held, [0, 0])
    assert cache.step(held[:1], [0]).shape == (1, cache.vocab_size)


@pytest.mark.parametrize(("build", "cache"), [("seq2seq:t5", "slots"), ("seq2seq:t5", "concat"), (LSTM, "slots")])
def test_a_call_that_fails_changes_nothing(build: str, cache: Exporter, seq2seq_package_of: PackageOf) -> None:
    package = seq2seq_package_of(build, "text2text", cache)
    loaded, untouched = opened(package), opened(package)
    source, other = np.array([5, 6, 7]), np.array([8, 9])
    first, second, empty = (loaded.allocate(20) for _ in range(3))
    assert first is not None and second is not None and empty is not None
    loaded.encode([first, second], source)
    loaded.step([first, second], [1, 1])
    held = loaded.tokens_held
    too_long = np.full(loaded.max_source_tokens + 1, 5)
    for failing in (
        lambda: loaded.step([first, second], [4, WRONG]),
        lambda: loaded.prefill(first, np.array([3, WRONG])),
        lambda: loaded.prefill(first, np.full(loaded.max_tokens, 5)),
        lambda: loaded.step([first, empty], [4, 4]),
        lambda: loaded.encode([empty], np.array([5, WRONG])),
        lambda: loaded.encode([empty], too_long),
        lambda: loaded.encode([empty, first], other),
        lambda: loaded.reorder_cache([first, second], [0, 2]),
    ):
        with pytest.raises(Exception, match=r"out of|does not fit|a source|empty|reordered"):
            failing()
        assert loaded.tokens_held == held
    loaded.encode([empty], other)
    after = loaded.step([first, second, empty], [4, 3, 1])
    slots = [untouched.allocate(20) for _ in range(3)]
    found = [slot for slot in slots if slot is not None]
    untouched.encode(found[:2], source)
    untouched.encode(found[2:], other)
    untouched.step(found[:2], [1, 1])
    np.testing.assert_array_equal(untouched.step(found, [4, 3, 1]), after)


def test_a_prefix_may_be_prefilled_at_once(seq2seq_package_of: PackageOf) -> None:
    for cache, atol in (("slots", 0.0), ("concat", 1e-4)):
        loaded = opened(seq2seq_package_of("seq2seq:t5", "text2text", cache))
        expected = logits_alone(loaded, [5, 6, 7], [1, 4, 9])[-1]
        slot = loaded.allocate(9)
        assert slot is not None
        loaded.encode([slot], np.array([5, 6, 7]))
        np.testing.assert_allclose(loaded.prefill(slot, np.array([1, 4, 9])), expected, rtol=0, atol=atol)


def test_a_full_slot_may_be_idle_between_others(seq2seq_package_of: PackageOf) -> None:
    for build, task in (("seq2seq:t5", "text2text"), ("seq2seq:bart", "denoise")):
        cache = opened(seq2seq_package_of(build, task))
        slots = [cache.allocate(5), cache.allocate(cache.max_tokens), cache.allocate(5)]
        first, full, last = (slot for slot in slots if slot is not None)
        for slot in (first, full, last):
            cache.encode([slot], np.arange(5, 5 + cache.max_source_tokens))
        cache.prefill(full, np.full(cache.max_tokens, 7))
        together = cache.step([last, first], [8, 8])
        assert np.isfinite(together).all()
        np.testing.assert_array_equal(together[0], together[1])
        assert cache.tokens_held == 3 * cache.max_source_tokens + cache.max_tokens + 2


def test_a_surviving_beam_is_not_copied(seq2seq_package_of: PackageOf, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = opened(seq2seq_package_of("seq2seq:t5", "text2text"))
    assert isinstance(cache, EncoderDecoderSlotCache)
    slots = [slot for slot in (cache.allocate(9) for _ in range(4)) if slot is not None]
    cache.encode(slots, np.array([5, 6, 7]))
    cache.step(slots, [1, 2, 3, 4])
    copied: list[tuple[int, int, int]] = []
    monkeypatch.setattr(
        type(cache._buffers[0]), "copy", lambda buffer, *what: copied.append(what) if buffer is cache._buffers[0] else 0
    )
    cache.reorder_cache(slots, [1, 0, 3, 2])
    assert not copied
    cache.reorder_cache(slots, [2, 2, 3, 3])
    assert len(copied) == 2 and all(num_tokens == 1 for _, _, num_tokens in copied)


def test_a_buffer_row_of_a_device_is_written_through_a_value_over_its_memory(
    seq2seq_package_of: PackageOf,
) -> None:
    """CUDA copies rows this way; the code is the same on the CPU."""
    cache = opened(seq2seq_package_of("seq2seq:t5", "text2text"))
    assert isinstance(cache, EncoderDecoderSlotCache)
    buffer = cache._source_buffers[0]
    row = buffer._row(3)
    row.fill(np.full(row.shape, 2.0, np.float32))
    assert (buffer.memory.numpy()[3] == 2).all() and np.isnan(buffer.memory.numpy()[[2, 4]]).all()
    assert (row.numpy() == 2).all()


def test_sequences_and_sources_share_a_budget(seq2seq_package_of: PackageOf) -> None:
    slots, concat = (seq2seq_package_of("seq2seq:t5", "text2text", cache) for cache in ("slots", "concat"))
    limits = slots.manifest.limits
    assert limits.max_new_tokens is not None
    row = limits.max_tokens + limits.max_new_tokens
    cache = opened(slots, max_cache_tokens=3 * row + 1)
    assert (cache.max_slots, cache.capacity_tokens) == (3, 3 * row)
    assert (cache.max_tokens, cache.max_source_tokens) == (limits.max_new_tokens, limits.max_tokens)
    cache = opened(concat, max_cache_tokens=2 * limits.max_tokens + 20)
    assert [cache.allocate(tokens) for tokens in (10, 11, 10, 1)] == [0, None, 1, None]
    for package in (slots, concat):
        with pytest.raises(PackageError, match=rf"TRIPTYCH_MAX_CACHE_TOKENS is {row - 1}, but .* may have {row}"):
            opened(package, max_cache_tokens=row - 1)
        manifest = msgspec.structs.replace(package.manifest, batch_safe=False)
        assert opened(msgspec.structs.replace(package, manifest=manifest)).max_slots == 1
