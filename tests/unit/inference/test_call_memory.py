"""What model calls are measured to take, and which lengths fit into a budget."""

import mmap

import pytest

from contracts.model_package.package import PackageError
from contracts.settings import StoreSettings
from tests.unit.models.test_choosing import manifest
from workers.runtime.inference.budget import call_budget_bytes, fitting_tokens, jobs_budget_bytes
from workers.runtime.inference.call_memory import MARGIN, UNPLANNED, CallMemory, measure
from workers.runtime.settings import WorkerSettings

ATTENTION = CallMemory(token_bytes=1000.0, pair_bytes=50.0)


class Arena:
    """Keeps the memory of its calls as ONNX Runtime does, until a call gives it back."""

    def __init__(self, token_bytes: int, pair_bytes: int) -> None:
        self._token_bytes, self._pair_bytes = token_bytes, pair_bytes
        self._kept: list[mmap.mmap] = []
        self.longest = 0

    def run(self, num_tokens: int, *, give_back: bool) -> None:
        self.longest = max(self.longest, num_tokens)
        num_bytes = num_tokens * (self._token_bytes + self._pair_bytes * num_tokens)
        if num_bytes > sum(map(len, self._kept)):
            block = mmap.mmap(-1, num_bytes)
            block[:: mmap.PAGESIZE] = b"\1" * -(-num_bytes // mmap.PAGESIZE)  # takes the pages
            self._kept.append(block)
        if give_back:
            for block in self._kept:
                block.close()
            self._kept.clear()


@pytest.mark.parametrize(("token_bytes", "pair_bytes"), [(0, 50), (20_000, 100), (60_000, 0)])
def test_calls_are_measured_on_rows_of_up_to_512_tokens(token_bytes: int, pair_bytes: int) -> None:
    arena = Arena(token_bytes, pair_bytes)
    memory = measure(arena.run, 8192)
    assert arena.longest == 512
    expected = MARGIN * (token_bytes + pair_bytes * 512) * 512
    assert memory.num_bytes(1, 512) == pytest.approx(expected, rel=0.1, abs=2e6)
    assert memory.num_bytes(3, 512) == pytest.approx(3 * memory.num_bytes(1, 512))
    at_8192 = MARGIN * (token_bytes + pair_bytes * 8192) * 8192
    assert memory.num_bytes(1, 8192) == pytest.approx(at_8192, rel=0.3), "tokens and pairs were not told apart"


def test_a_row_is_as_long_as_its_budget_allows() -> None:
    for budget in (10**6, 10**8, 10**9):
        length = ATTENTION.longest(budget, 8192)
        assert ATTENTION.num_bytes(1, length) <= budget < ATTENTION.num_bytes(1, length + 1) or length == 8192
    assert CallMemory(1000.0, 0.0).longest(10**6, 8192) == 1000
    assert UNPLANNED.longest(0, 8192) == 8192
    for memory in (ATTENTION, CallMemory(1000.0, 0.0), CallMemory(0.0, 1000.0)):
        assert memory.longest(0, 8192) == 0


def settings(max_memory: int, weights_bytes: int = 0) -> WorkerSettings:
    return WorkerSettings(StoreSettings(), max_memory=max_memory, weights_bytes=weights_bytes)


def test_calls_and_jobs_share_what_weights_leave() -> None:
    assert call_budget_bytes(settings(1152)) == 512 << 20
    assert call_budget_bytes(settings(1152, weights_bytes=512 << 20)) == 256 << 20
    assert jobs_budget_bytes(settings(1152)) == 256 << 20
    assert call_budget_bytes(settings(1152, weights_bytes=4 << 30)) == 72 << 20, "nothing was left"


def test_a_package_is_served_up_to_the_length_that_fits() -> None:
    long = manifest(8192)
    assert fitting_tokens(long, ATTENTION, settings(65536)) == 8192
    assert fitting_tokens(long, ATTENTION, settings(1152)) == 3072  # 3,266 would fit
    assert fitting_tokens(manifest(64), ATTENTION, settings(150)) == 64
    with pytest.raises(PackageError, match=r"m: a model call of 512 tokens takes 14 MB, and TRIPTYCH_MAX_MEMORY=140 "):
        fitting_tokens(long, ATTENTION, settings(140))
