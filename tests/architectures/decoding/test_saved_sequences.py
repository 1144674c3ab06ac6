"""Sequences that give their slots away and go on in others: what they held comes back, and they never notice."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest

from contracts.model_package.package import ModelPackage
from contracts.settings import StoreSettings
from contracts.task_names import TaskName
from onnx_models.exporting.export import export_package
from onnx_models.exporting.exporters import ExportRequest
from onnx_models.exporting.sources import open_source
from onnx_models.seq2seq.parity import prefix_of
from tests.architectures.conftest import PackageOf
from tests.architectures.decoding.engines import Model
from tests.architectures.zoo import transformer_xl
from tests.support.pauses import write_texts
from workers.runtime.decoding.caches.cache import Cache, EncoderDecoderCache, Floats
from workers.runtime.decoding.caches.encoder_decoder.open_cache import open_encoder_decoder_cache
from workers.runtime.decoding.caches.encoder_decoder.slots import EncoderDecoderSlotCache
from workers.runtime.decoding.caches.open_cache import open_cache
from workers.runtime.decoding.caches.slots.cache import SlotCache
from workers.runtime.decoding.request import Beams, GenerationRequest, Sampling
from workers.runtime.inference.binding import Buffer
from workers.runtime.settings import WorkerSettings

SETTINGS = WorkerSettings(StoreSettings(), max_rows=8)
SEQ2SEQ: list[tuple[str, TaskName, str]] = [
    ("seq2seq:t5", "summarize", "slots"), ("seq2seq:t5", "summarize", "concat"), ("seq2seq:bart", "denoise", "slots"),
    ("seq2seq:bert_gpt2", "summarize", "concat"), ("classic:lstm_attention", "text2text", "slots"),
]  # fmt: skip


class Texts:
    """Groups of sequences in one cache, by name. Each has its input, and a slot for every beam."""

    def __init__(self, cache: Cache) -> None:
        self.cache = cache
        self.slots: dict[str, list[int]] = {}

    def allocate(self, name: str, num_slots: int = 1) -> list[int]:
        slots = [slot for _ in range(num_slots) if (slot := self.cache.allocate(30)) is not None]
        assert len(slots) == num_slots
        self.slots[name] = slots
        return slots

    def start(self, name: str, ids: Sequence[int], num_slots: int = 1) -> None:
        slots = self.allocate(name, num_slots)
        if isinstance(self.cache, EncoderDecoderCache):
            self.cache.encode(slots, np.array(ids))
            return
        self.cache.prefill(slots[0], np.array(ids))
        if num_slots > 1:
            self.cache.reorder_cache(slots, [0] * num_slots)

    def step(self, *names: str, token: int = 6) -> Floats:
        slots = [slot for name in names for slot in self.slots[name]]
        return self.cache.step(slots, [token + index % 4 for index in range(len(slots))]).copy()

    def move(self, name: str, *, others: Sequence[str] = ()) -> None:
        """Save a group and restore it, in the slots that another one takes meanwhile and in other rows."""
        slots = self.slots.pop(name)
        expected = self.cache.saved_bytes(slots)
        saved = self.cache.save(slots)
        assert 0 <= saved.num_bytes <= expected
        for slot in slots:
            self.cache.free(slot)
        for other in others:
            self.allocate(other)
        held = self.cache.tokens_held
        saved.restore(self.allocate(name, len(slots)))
        assert self.cache.tokens_held > held


def twins(package: ModelPackage) -> tuple[Texts, Texts]:
    """Return the same cache twice. The buffers of slot caches are filled with different garbage."""
    opened = open_cache if package.manifest.family == "decoder" else open_encoder_decoder_cache
    both = [cast("Cache", opened(package, SETTINGS)) for _ in range(2)]
    for cache, garbage in zip(both, (np.nan, np.inf), strict=True):
        if isinstance(cache, SlotCache):
            for buffer in _buffers(cache):
                buffer.memory.numpy()[:] = garbage
    return Texts(both[0]), Texts(both[1])


def _buffers(cache: SlotCache) -> list[Any]:
    return [*cache._buffers, *(cache._source_buffers if isinstance(cache, EncoderDecoderSlotCache) else [])]


def check_twins(package: ModelPackage) -> None:
    """Let groups of one cache move, and those of the other stay: all logits must be equal to the bit."""
    moving, staying = twins(package)
    for texts in (moving, staying):
        texts.start("long", [5, 6, 7, 8, 9, 5, 6, 7])
        texts.start("one", [9, 8, 7])
        texts.start("beams", [5, 9, 6, 9], num_slots=3)
    everything = ("long", "one", "beams")
    np.testing.assert_array_equal(moving.step(*everything), staying.step(*everything))
    moving.move("one", others=["guest"])
    np.testing.assert_array_equal(moving.step(*everything), staying.step(*everything))
    moving.move("beams")
    moving.move("one")
    for texts in (moving, staying):
        texts.cache.reorder_cache(texts.slots["beams"], [1, 1, 2])
    moving.move("beams")
    for names in (("beams", "long"), ("one",), everything, ("long", "one")):
        np.testing.assert_array_equal(moving.step(*names, token=7), staying.step(*names, token=7))


@pytest.mark.parametrize(("build", "cache"), [("gpt2", "slots"), ("gpt2", "concat"), ("bloom", "slots")])
def test_a_decoder_goes_on_to_the_bit(build: str, cache: str, package_of: PackageOf) -> None:
    check_twins(package_of(build, cache))


@pytest.mark.parametrize("precision", ["int8", "fp16"])
def test_smaller_precisions_go_on_to_the_bit(precision: str, package_of: PackageOf) -> None:
    check_twins(package_of("gpt2", "slots", precision))


@pytest.mark.parametrize(("build", "task", "cache"), SEQ2SEQ)
def test_an_encoder_decoder_goes_on_to_the_bit(
    build: str, task: TaskName, cache: str, seq2seq_package_of: PackageOf
) -> None:
    check_twins(seq2seq_package_of(build, task, cache))


def test_a_text_autoencoder_goes_on_to_the_bit(seq2seq_package_of: PackageOf) -> None:
    moving, staying = twins(seq2seq_package_of("classic:text_autoencoder", "denoise"))
    for texts in (moving, staying):
        for name, source in (("one", [5, 6, 7, 8]), ("other", [9, 10, 5])):
            slots = texts.cache.allocate(len(source) + 1)
            assert slots is not None
            texts.slots[name] = [slots]
            cast("EncoderDecoderCache", texts.cache).encode([slots], np.array(source))
        texts.step("one", "other")
    cache = moving.cache
    saved = cache.save(moving.slots["one"])
    cache.free(moving.slots["one"][0])
    taken, slot = cache.allocate(4), cache.allocate(5)
    assert taken is not None and slot is not None
    moving.slots["one"] = [slot]
    saved.restore([slot])
    np.testing.assert_array_equal(moving.step("other", "one"), staying.step("other", "one"))
    assert cache.tokens_held == staying.cache.tokens_held


@pytest.mark.parametrize("num_beams", [1, 3])
def test_a_prompt_goes_on_where_it_was_interrupted(num_beams: int, package_of: PackageOf, tmp_path: Path) -> None:
    transformer_xl.write(tmp_path, div_val=4, same_length=True)
    source = open_source(str(tmp_path))
    request = ExportRequest(source=source, task="generate", name="xl", output=tmp_path / "packages", max_tokens=60)
    for package in (package_of("gpt2"), package_of("gpt2", "concat"), export_package(request)):
        moving, staying = twins(package)
        for texts in (moving, staying):
            texts.start("other", [5, 6])
            # The other beams hold nothing yet.
            texts.cache.prefill(texts.allocate("one", num_beams)[0], np.array([9, 8, 7]))
        moving.move("one", others=["guest"])
        left, right = (texts.cache.prefill(texts.slots["one"][0], np.array([5, 6])) for texts in (moving, staying))
        np.testing.assert_array_equal(left, right)
        moving.move("one")
        for texts in (moving, staying):
            texts.cache.reorder_cache(texts.slots["one"], [0] * num_beams)
        np.testing.assert_array_equal(moving.step("one", "other"), staying.step("one", "other"))


@pytest.mark.parametrize("num_beams", [1, 3])
@pytest.mark.parametrize(("build", "task", "cache"), SEQ2SEQ)
def test_an_encoder_decoder_goes_on_after_its_source_and_after_a_part_of_its_prefix(
    build: str, task: TaskName, cache: str, num_beams: int, seq2seq_package_of: PackageOf
) -> None:
    moving, staying = twins(seq2seq_package_of(build, task, cache))
    for texts in (moving, staying):
        texts.start("other", [5, 6])
        texts.start("one", [9, 8, 7], num_beams)
    moving.move("one", others=["guest"])
    for texts in (moving, staying):
        texts.step("other")
        texts.cache.step(texts.slots["one"][:1], [2])
    moving.move("one")
    for texts in (moving, staying):
        texts.cache.reorder_cache(texts.slots["one"], [0] * num_beams)
    np.testing.assert_array_equal(moving.step("one", "other"), staying.step("one", "other"))


@pytest.mark.parametrize("family", ["decoder", "seq2seq"])
def test_the_bytes_of_a_row_come_back_in_another_row_and_no_others(
    family: str, package_of: PackageOf, seq2seq_package_of: PackageOf
) -> None:
    texts, _ = twins(package_of("gpt2") if family == "decoder" else seq2seq_package_of("seq2seq:t5", "summarize"))
    cache = texts.cache
    assert isinstance(cache, SlotCache)
    texts.start("one", [5, 6, 7])
    texts.step("one")
    before = [buffer.memory.numpy()[0].copy() for buffer in _buffers(cache)]
    saved = cache.save(texts.slots["one"])
    cache.free(texts.slots["one"][0])
    texts.start("other", [9, 9, 9, 9, 9])
    saved.restore(texts.allocate("one"))
    rows = cache._table.rows_of(texts.slots["one"], 0).tolist()
    assert rows == [1] and cache._table.lengths[0] != cache._table.lengths[1]
    num_bytes = 0
    for buffer, row in zip(_buffers(cache), before, strict=True):
        after = buffer.memory.numpy()[1]
        lengths = cache._table.lengths if buffer in cache._buffers else cache._table.source_lengths
        num_held = int(lengths[1])
        assert after[:, :num_held].tobytes() == row[:, :num_held].tobytes()
        assert not np.isfinite(after[:, num_held:]).any(), "what lies behind is left as it was"
        num_bytes += row[:, :num_held].nbytes
    assert saved.num_bytes == cache.saved_bytes(texts.slots["one"]) == num_bytes


class Device:
    """The session of a slot graph, as it is where buffers can only be read and written by whole rows."""

    device = "cuda"

    def __init__(self, session: Any) -> None:
        self.binding = session.binding


def test_a_row_on_a_device_is_copied_through_a_value_over_its_memory(package_of: PackageOf) -> None:
    """CUDA copies rows this way; the code is the same on the CPU."""
    texts, _ = twins(package_of("gpt2"))
    cache = texts.cache
    assert isinstance(cache, SlotCache)
    texts.start("one", [5, 6, 7])
    for buffer in cache._buffers:
        expected = buffer.get(0, 3)
        buffer._session = cast("Any", Device(buffer._session))
        found = buffer.get(0, 3)
        assert found.tobytes() == expected.tobytes()
        buffer.put(1, found)
        rows = buffer.memory.numpy()
        assert rows[1, :, :3].tobytes() == rows[0, :, :3].tobytes()
        assert found.base is None or found.base.nbytes == found.nbytes, "the rest of the row is not kept"


def test_a_merge_reads_the_tensors_of_each_state_once(package_of: PackageOf, monkeypatch: pytest.MonkeyPatch) -> None:
    """On CUDA each reading copies a whole tensor to the host."""
    texts, _ = twins(package_of("gpt2", "concat"))
    for name in ("a", "b", "c"):
        texts.start(name, [5, 6, 7])
    texts.step("a", "b", "c")
    read, numpy = [], Buffer.numpy
    monkeypatch.setattr(Buffer, "numpy", lambda buffer: (read.append(buffer), numpy(buffer))[1])
    texts.step("a", "b")
    state = texts.cache._rows[texts.slots["a"][0]].state  # type: ignore[attr-defined]
    assert len([buffer for buffer in read if buffer.shape[0] == 3]) == len(state.tensors)


def test_room_is_the_same_with_slots_that_are_not_free_yet(package_of: PackageOf) -> None:
    for kind, largest in (("slots", 96), ("concat", 30)):
        cache = open_cache(package_of("gpt2", kind), WorkerSettings(StoreSettings(), max_rows=3, max_cache_tokens=288))
        slots = [slot for _ in range(2) if (slot := cache.allocate(largest)) is not None]
        assert len(slots) == 2
        for num_slots in (1, 2, 3, 4):
            for without in ([], slots[:1], slots):
                expected = 2 - len(without) + num_slots <= 3
                assert cache.has_room(num_slots, largest, without) == expected
    assert cache.has_room(2, 96, slots[:1]) and not cache.has_room(2, 97, slots[:1]), "all are padded to the longest"


@pytest.mark.parametrize(("build", "cache"), [("gpt2", "slots"), ("gpt2", "concat"), ("bloom", "slots")])
def test_texts_of_decoders_that_were_paused_are_the_same_to_the_bit(
    build: str, cache: str, package_of: PackageOf
) -> None:
    check_texts(package_of(build, cache), GenerationRequest(prompt_ids=np.array([5, 6, 7]), max_new_tokens=50))


@pytest.mark.parametrize(("build", "task", "cache"), SEQ2SEQ)
def test_texts_of_encoder_decoders_that_were_paused_are_the_same_to_the_bit(
    build: str, task: TaskName, cache: str, seq2seq_package_of: PackageOf
) -> None:
    package = seq2seq_package_of(build, task, cache)
    source, prefix = np.array([5, 6, 7, 8, 9]), np.array(prefix_of(package.manifest))
    check_texts(package, GenerationRequest(prompt_ids=prefix, source_ids=source, max_new_tokens=25))


def check_texts(package: ModelPackage, about: GenerationRequest) -> None:
    """Generate a text in each way, alone in a model that it fills: before and after its pauses it has no neighbours."""
    sampled = Sampling(do_sample=True, temperature=1.5, seed=3)
    ways: list[dict[str, Any]] = [{"logprobs": True}, {"logprobs": True, "sampling": sampled}, {"beams": Beams(3)}]
    for way in ways:
        bulk = replace(about, **way)
        model = Model(package, max_rows=bulk.num_slots)
        visitor = replace(about, max_new_tokens=4)
        expected, none = write_texts(model, [bulk])
        found, num_pauses = write_texts(model, [bulk], visitor)
        assert none == 0 and num_pauses >= 1
        assert [output.tokens for output in found] == [output.tokens for output in expected]
        assert [output.text for output in found] == [output.text for output in expected]
        assert repr(found[0].mean_logprob) == repr(expected[0].mean_logprob)
