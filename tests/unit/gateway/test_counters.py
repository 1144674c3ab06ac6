"""Counts that several processes keep together."""

import os
from collections.abc import Callable

import pytest

from services.gateway.processes.counters import Counted, Counters


def forked(counters: Counters, work: Callable[[], object]) -> int:
    """Run ``work`` in a forked process that has a slot of its own; return the slot when it has ended."""
    slot = counters.take_slot()
    pid = os.fork()
    if pid == 0:
        try:
            counters.use(slot)
            os._exit(int(bool(work())))
        finally:
            os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 1
    return slot


@pytest.fixture
def counters() -> Counters:
    """Four slots, of which the first is this process's own."""
    made = Counters(num_slots=4, max_keys=3)
    made.use(made.take_slot())
    return made


def test_a_total_is_that_of_all_processes_and_a_dead_one_leaves_nothing(counters: Counters) -> None:
    counters.add(Counted.STREAMS, 2)
    slot = forked(counters, lambda: counters.add(Counted.STREAMS, 3) or counters.add(Counted.BODY_BYTES, 7) or True)
    assert (counters.total(Counted.STREAMS), counters.total(Counted.BODY_BYTES)) == (5, 7)
    counters.free_slot(slot)
    assert (counters.total(Counted.STREAMS), counters.total(Counted.BODY_BYTES)) == (2, 0)


def test_a_limit_holds_over_processes(counters: Counters) -> None:
    assert counters.try_add(Counted.STREAMS, 2, most=3)
    forked(counters, lambda: counters.try_add(Counted.STREAMS, 1, most=3))
    assert not counters.try_add(Counted.STREAMS, 1, most=3)
    assert counters.total(Counted.STREAMS) == 3, "a refused amount is not counted"


def test_a_text_has_one_count_over_processes(counters: Counters) -> None:
    assert counters.try_add_for("acme", 1, most=2)
    slot = forked(
        counters, lambda: counters.try_add_for("acme", 1, most=2) and counters.try_add_for("umbra", 1, most=1)
    )
    assert not counters.try_add_for("acme", 1, most=2)
    assert not counters.try_add_for("umbra", 1, most=1)
    assert (counters.total_for("acme"), counters.total_for("umbra"), counters.total_for("nobody")) == (2, 1, 0)
    counters.free_slot(slot)
    assert (counters.total_for("acme"), counters.total_for("umbra")) == (1, 0)


def test_texts_without_a_count_make_room_for_others(counters: Counters) -> None:
    for number in range(100):
        assert counters.try_add_for(f"tenant {number}", 1, most=1)
        counters.add_for(f"tenant {number}", -1)
    assert all(counters.try_add_for(name, 1, most=1) for name in "abc")
    assert not counters.try_add_for("d", 1, most=1), "there is no room for a fourth"
    counters.add_for("b", -1)
    assert counters.try_add_for("d", 1, most=1)
    assert [counters.total_for(name) for name in "abcd"] == [1, 0, 1, 1]


def test_slots_are_used_again_once_their_process_has_died(counters: Counters) -> None:
    slots = [counters.take_slot() for _ in range(3)]
    with pytest.raises(RuntimeError):
        counters.take_slot()
    counters.free_slot(slots[1])
    assert counters.take_slot() == slots[1]
