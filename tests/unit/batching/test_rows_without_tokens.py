"""The engine batches all rows that have a length and a key: recordings by length, and pictures by shape."""

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pytest

from tests.support.attempts import make_attempt
from tests.support.waiting import PATIENCE_S
from workers.runtime.batching.engine import BatchHandle, BatchingEngine
from workers.runtime.inference.session import Array

Floats = npt.NDArray[np.float32]
NUM_BANDS = 8
MAX_FRAMES = 3000
MAX_PADDING = 1.2


@dataclass(frozen=True, eq=False)
class Recording:
    """The spectrogram of a sound, float32 [frames, bands]; padded with silence to the longest of its batch."""

    frames: Floats

    @property
    def length(self) -> int:
        return len(self.frames)

    @property
    def batch_key(self) -> None:
        return None


@dataclass(frozen=True, eq=False)
class Picture:
    """float32 [height, width, channels]; only pictures of one shape can be stacked."""

    pixels: Floats

    @property
    def length(self) -> int:
        height, width, _ = self.pixels.shape
        return height * width

    @property
    def batch_key(self) -> tuple[int, ...]:
        return self.pixels.shape


class Held:
    """A model whose first call waits, so that rows queue up behind it. It records the batches of the other calls."""

    max_padding = MAX_PADDING
    pair_cost = 0.0

    def __init__(self, name: str, max_batch_length: int) -> None:
        self.name = name
        self.max_batch_length = self.max_shared_length = max_batch_length
        self.entered, self.gate = threading.Event(), threading.Event()

    def fits(self, num_rows: int, longest: int) -> bool:
        return True

    def hold(self) -> None:
        self.entered.set()
        assert self.gate.wait(PATIENCE_S)


class Listener(Held):
    """Answers a recording with the mean of each band over its real frames."""

    def __init__(self) -> None:
        super().__init__("listener", MAX_FRAMES)
        self.batches: list[list[int]] = []

    def run(self, rows: Sequence[Recording]) -> Sequence[Array]:
        self.hold()
        self.batches.append([row.length for row in rows])
        padded = np.zeros((len(rows), max(self.batches[-1]), NUM_BANDS), np.float32)
        for index, row in enumerate(rows):
            padded[index, : row.length] = row.frames
        return list(padded.sum(axis=1) / np.array(self.batches[-1], np.float32)[:, None])


class Viewer(Held):
    """Answers a picture with its brightness. It stacks its rows, so their shapes must be equal."""

    def __init__(self) -> None:
        super().__init__("viewer", 10_000)
        self.batches: list[tuple[int, ...]] = []

    def run(self, rows: Sequence[Picture]) -> Sequence[Array]:
        self.hold()
        stacked = np.stack([row.pixels for row in rows])
        self.batches.append(stacked.shape)
        return list(stacked.mean(axis=(1, 2, 3)))


@pytest.fixture
def listener() -> Iterator[Listener]:
    model = Listener()
    yield model
    model.gate.set()


@pytest.fixture
def viewer() -> Iterator[Viewer]:
    model = Viewer()
    yield model
    model.gate.set()


def recording(length: int) -> Recording:
    return Recording(np.random.default_rng(length).standard_normal((length, NUM_BANDS)).astype(np.float32))


def picture(height: int, width: int, seed: int) -> Picture:
    return Picture(np.random.default_rng(seed).random((height, width, 3)).astype(np.float32))


def test_recordings_of_mixed_length_share_batches_by_length(listener: Listener) -> None:
    engine = BatchingEngine()
    chance = np.random.default_rng(1)
    jobs = [[recording(int(length)) for length in chance.integers(20, 900, chance.integers(1, 6))] for _ in range(40)]
    handles: list[BatchHandle] = []
    for recordings in jobs:
        handles.append(engine.submit(listener, recordings, make_attempt()))
        assert listener.entered.wait(PATIENCE_S)
    listener.gate.set()

    for recordings, handle in zip(jobs, handles, strict=True):
        assert handle.wait(PATIENCE_S)
        expected = [row.frames.mean(axis=0) for row in recordings]
        np.testing.assert_allclose(handle.results(), expected, atol=1e-5)
    assert sum(map(len, listener.batches)) == sum(map(len, jobs)) > 2 * len(listener.batches), (
        "the recordings must share batches"
    )
    for lengths in listener.batches:
        padded = len(lengths) * max(lengths)
        assert len(lengths) == 1 or (padded <= MAX_FRAMES and padded <= MAX_PADDING * sum(lengths))
    figures = engine.figures()
    assert figures.real_length == sum(map(sum, listener.batches))
    assert figures.padded_length == sum(len(lengths) * max(lengths) for lengths in listener.batches)


def test_pictures_share_batches_with_those_of_their_shape(viewer: Viewer) -> None:
    engine = BatchingEngine()
    shapes = [(8, 16), (16, 8), (11, 11)] * 10  # the first two have the same length
    jobs = [[picture(*shape, seed) for seed in (number, number + 1)] for number, shape in enumerate(shapes)]
    jobs.append([picture(8, 16, 90), picture(16, 8, 91), picture(300, 300, 92)])
    handles: list[BatchHandle] = []
    for pictures in jobs:
        handles.append(engine.submit(viewer, pictures, make_attempt()))
        assert viewer.entered.wait(PATIENCE_S)
    viewer.gate.set()

    for pictures, handle in zip(jobs, handles, strict=True):
        assert handle.wait(PATIENCE_S)
        np.testing.assert_allclose(handle.results(), [row.pixels.mean() for row in pictures], atol=1e-5)
    assert len(viewer.batches) < 10
    assert (1, 300, 300, 3) in viewer.batches, "a picture above the budget must have a batch of its own"
