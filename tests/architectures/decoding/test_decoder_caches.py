"""The caches of decoders: a sequence never depends on when it joins and which others share its batches."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from contracts.model_package.graphs import DecoderGraph
from contracts.model_package.package import ModelPackage, PackageError
from contracts.settings import StoreSettings
from onnx_models.decoders.reference import ReferenceDecoder
from onnx_models.decoders.transformer_xl.reference import ReferenceTransformerXL
from onnx_models.exporting.export import export_package
from onnx_models.exporting.exporters import ExportRequest
from onnx_models.exporting.sources import open_source
from tests.architectures.cases.decoders import CASES
from tests.architectures.conftest import PackageOf
from tests.architectures.decoding.batch_composition import Run, generate_alone, generate_together
from tests.architectures.zoo import transformer_xl
from tests.architectures.zoo.decoders import MAX_TOKENS
from workers.runtime.decoding.caches.cache import Cache
from workers.runtime.decoding.caches.open_cache import open_cache
from workers.runtime.decoding.caches.slots.cache import SlotCache
from workers.runtime.decoding.caches.slots.table import Move, SlotTable
from workers.runtime.decoding.caches.stateful import concat
from workers.runtime.inference import binding
from workers.runtime.settings import WorkerSettings

EVERY = [case.build.removeprefix("decoders:") for case in CASES if case.slots]
LENGTHS = (3, 1, 17, 8, 45, 12, 5, 30, 2)
NUM_TOKENS = (9, 12, 4, 1, 12, 7, 10, 12, 3)


def opened(package: ModelPackage, max_rows: int = 6, **settings: Any) -> Cache:
    """Return a cache. The buffers of a slot cache are filled with garbage."""
    cache = open_cache(package, WorkerSettings(StoreSettings(), max_rows=max_rows, **settings))
    if isinstance(cache, SlotCache):
        for buffer in cache._buffers:
            buffer.memory.numpy()[:] = np.nan
    return cache


def prompts(vocabulary: int) -> list[list[int]]:
    rng = np.random.default_rng(11)
    return [rng.integers(5, vocabulary, length).tolist() for length in LENGTHS]


def runs(vocabulary: int = 322) -> list[Run]:
    return [Run(*about) for about in zip(prompts(vocabulary), NUM_TOKENS, strict=True)]


def start(cache: Cache, prompt: list[int], room: int = 20) -> int:
    slot = cache.allocate(len(prompt) + room)
    assert slot is not None
    cache.prefill(slot, np.array(prompt))
    return slot


def check_alone(cache: Cache, together: list[Run], atol: float) -> None:
    """Generate each sequence alone: its tokens must be equal, its logits as near as ``atol`` times the largest."""
    for run in together:
        isolated = generate_alone(cache, run)
        assert isolated.tokens == run.tokens
        for left, right in zip(isolated.logits, run.logits, strict=True):
            np.testing.assert_allclose(right, left, rtol=0, atol=atol * float(np.abs(left).max()))
    assert cache.tokens_held == 0


@pytest.fixture(scope="module")
def expected(source_of: Callable[[str], Path]) -> Callable[[str], list[list[int]]]:
    """Return the tokens that transformers' ``generate`` returns for each prompt."""
    made: dict[str, list[list[int]]] = {}

    def write(build: str) -> list[list[int]]:
        if build not in made:
            reference = ReferenceDecoder(open_source(str(source_of(f"decoders:{build}"))))
            made[build] = [reference.generate(run.prompt, run.num_tokens) for run in runs()]
        return made[build]

    return write


@pytest.mark.parametrize("build", EVERY)
def test_sequences_in_slots_equal_those_of_generate_and_to_the_bit_those_alone(
    build: str, package_of: PackageOf, expected: Callable[[str], list[list[int]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    moves, apply_move = list[Move](), SlotTable.apply_move
    monkeypatch.setattr(SlotTable, "apply_move", lambda table, move: (moves.append(move), apply_move(table, move)))
    cache = opened(package_of(build))
    for seed in (1, 2):
        together = runs()
        generate_together(cache, together, seed)
        assert [run.tokens for run in together] == expected(build)
    assert len(moves) >= 4
    check_alone(cache, together, atol=0)


@pytest.mark.parametrize("build", EVERY)
def test_sequences_in_a_concat_cache_equal_those_of_generate(
    build: str, package_of: PackageOf, expected: Callable[[str], list[list[int]]]
) -> None:
    cache, together = opened(package_of(build, "concat")), runs()
    generate_together(cache, together, 3)
    assert [run.tokens for run in together] == expected(build)
    check_alone(cache, together, atol=1e-4)


@pytest.mark.parametrize("same_length", [True, False])
def test_sequences_with_a_memory_equal_those_of_the_original_code(same_length: bool, tmp_path: Path) -> None:
    transformer_xl.write(tmp_path, div_val=4, same_length=same_length)
    source = open_source(str(tmp_path))
    request = ExportRequest(source=source, task="generate", name="xl", output=tmp_path / "packages", max_tokens=60)
    cache, together = opened(export_package(request)), runs(vocabulary=90)
    generate_together(cache, together, 4)
    reference = ReferenceTransformerXL(source)
    assert [run.tokens for run in together] == [reference.generate(s.prompt, s.num_tokens)[0] for s in together]
    check_alone(cache, together, atol=1e-5)


@pytest.mark.parametrize(("precision", "cache"), [("int8", "slots"), ("fp16", "slots"), ("fp16", "concat")])
def test_smaller_precisions_generate_the_same_alone_and_in_a_batch(
    precision: str, cache: str, package_of: PackageOf
) -> None:
    package = package_of("gpt2", cache, precision)
    loaded, together = opened(package), runs()
    generate_together(loaded, together, 5)
    check_alone(loaded, together, atol=0 if cache == "slots" else 5e-3)


@pytest.mark.parametrize("cache", ["slots", "concat"])
def test_a_call_that_fails_changes_nothing(cache: str, package_of: PackageOf) -> None:
    loaded = opened(package_of("gpt2", cache))
    slots = [start(loaded, [5, 6, 7, number]) for number in (8, 9)]
    wrong = 10_000
    for failing in (
        lambda: loaded.step(slots, [10, wrong]),
        lambda: loaded.prefill(slots[0], np.array([3, wrong])),
        lambda: loaded.prefill(slots[0], np.full(MAX_TOKENS - 3, 5)),
    ):
        with pytest.raises(Exception, match=r"out of|does not fit"):
            failing()
        assert loaded.tokens_held == 8
    after = loaded.step(slots, [10, 11]).copy()

    untouched = opened(package_of("gpt2", cache))
    slots = [start(untouched, [5, 6, 7, number]) for number in (8, 9)]
    np.testing.assert_array_equal(untouched.step(slots, [10, 11]), after)


def test_long_prompts_give_their_memory_back_and_return_the_same(
    package_of: PackageOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    package, prompt, devices = package_of("gpt2", "concat"), np.array(prompts(322)[4]), list[str]()
    options = binding.giving_back

    def counted(device: str) -> Any:
        devices.append(device)
        return options(device)

    monkeypatch.setattr(binding, "giving_back", counted)
    logits, after = [], []
    for pairs in (concat.LARGE_PREFILL_PAIRS, len(prompt) - 1):
        monkeypatch.setattr(concat, "LARGE_PREFILL_PAIRS", pairs)
        cache = opened(package)
        slot = cache.allocate(len(prompt) + 5)
        assert slot is not None
        logits.append(cache.prefill(slot, prompt).copy())
        after.append(cache.step([slot], [7]).copy())
    assert devices == ["cpu"], "calls of few pairs and steps keep it"
    np.testing.assert_array_equal(logits[0], logits[1])
    np.testing.assert_array_equal(after[0], after[1])


def test_a_full_slot_may_be_idle_between_others(package_of: PackageOf) -> None:
    cache = opened(package_of("gpt2"))
    first, full, last = start(cache, [7]), start(cache, [5] * (MAX_TOKENS - 1), 1), start(cache, [7])
    cache.step([full], [6])
    with pytest.raises(ValueError, match="97 tokens does not fit"):
        cache.step([first, full], [8, 8])
    together = cache.step([last, first], [8, 8])
    np.testing.assert_array_equal(together[0], together[1])
    assert cache.tokens_held == MAX_TOKENS + 4


def test_no_memory_is_allocated_while_sequences_come_and_go(package_of: PackageOf) -> None:
    """Nor when a sequence is moved: buffers stay where they are."""

    def resident_mb() -> float:
        return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / 1e6

    cache = opened(package_of("gpt2"), max_rows=8)
    assert isinstance(cache, SlotCache)
    where = [buffer.memory.value.data_ptr() for buffer in cache._buffers]
    generate_together(cache, runs(), 0)
    before = resident_mb()
    for seed in range(1, 30):
        generate_together(cache, runs(), seed)
    assert resident_mb() - before < 4
    assert [buffer.memory.value.data_ptr() for buffer in cache._buffers] == where
    assert cache.tokens_held == 0


def test_slots_and_tokens_limit_the_number_of_sequences(package_of: PackageOf) -> None:
    slots, concat = package_of("gpt2"), package_of("gpt2", "concat")
    cache = opened(slots, 16, max_cache_tokens=3 * MAX_TOKENS + 1)
    assert (cache.max_slots, cache.capacity_tokens) == (3, 3 * MAX_TOKENS)
    assert [cache.allocate(5) for _ in range(4)] == [0, 1, 2, None]
    cache = opened(concat, 16, max_cache_tokens=100)
    assert (cache.max_slots, cache.capacity_tokens) == (16, 100)
    assert [cache.allocate(tokens) for tokens in (40, 50, 1)] == [0, 1, None]
    with pytest.raises(ValueError, match="the limit is 96"):
        cache.allocate(MAX_TOKENS + 1)
    for package in (slots, concat):
        with pytest.raises(PackageError, match="TRIPTYCH_MAX_CACHE_TOKENS is 95, but one sequence may have 96 tokens"):
            opened(package, max_cache_tokens=MAX_TOKENS - 1)


@pytest.mark.parametrize("cache", ["slots", "concat"])
def test_a_package_that_is_not_batch_safe_gets_one_slot(cache: str, package_of: PackageOf) -> None:
    package = package_of("gpt2", cache)
    manifest = msgspec.structs.replace(package.manifest, batch_safe=False)
    loaded = opened(msgspec.structs.replace(package, manifest=manifest))
    assert loaded.max_slots == 1
    assert [loaded.allocate(5), loaded.allocate(5)] == [0, None]


def test_a_vocabulary_that_contradicts_the_graph_is_refused(package_of: PackageOf) -> None:
    package = package_of("gpt2")
    graph = package.manifest.graph_as(DecoderGraph)
    decoder = msgspec.structs.replace(graph.decoder, vocabulary=300)
    manifest = msgspec.structs.replace(package.manifest, graph=msgspec.structs.replace(graph, decoder=decoder))
    with pytest.raises(PackageError, match=r"decoder\.vocabulary is 300, but the graph's logits are 322 long"):
        opened(msgspec.structs.replace(package, manifest=manifest))
