"""Whose turn it is: first come, first served, but a job of many texts does not hold up the others."""

import itertools

from hypothesis import given, settings
from hypothesis import strategies as st

from workers.runtime.decoding.scheduling.waiting_queue import WaitingQueue


def taken(line: WaitingQueue[str, int]) -> list[tuple[str, int]]:
    found = []
    while waiting := line.peek():
        assert line.pop() == waiting[1]
        found.append(waiting)
    return found


def test_single_texts_are_served_in_the_order_in_which_they_came() -> None:
    line: WaitingQueue[str, int] = WaitingQueue()
    for job in "abc":
        line.add(job, [0])
    assert taken(line) == [("a", 0), ("b", 0), ("c", 0)]


def test_a_job_of_many_texts_gets_every_second_turn_beside_others() -> None:
    line: WaitingQueue[str, int] = WaitingQueue()
    line.add("bulk", range(5))
    line.add("small", [0])
    line.add("other", [0, 1])
    assert taken(line) == [
        ("bulk", 0), ("small", 0), ("other", 0), ("bulk", 1), ("other", 1), ("bulk", 2), ("bulk", 3), ("bulk", 4),
    ]  # fmt: skip


def test_who_is_first_stays_first_until_taken() -> None:
    line: WaitingQueue[str, int] = WaitingQueue()
    line.add("a", [0])
    assert line.peek() == line.peek() == ("a", 0)
    line.add("b", [0])
    assert line.peek() == ("a", 0)


def test_nothing_is_nothing() -> None:
    line: WaitingQueue[str, int] = WaitingQueue()
    line.add("empty", [])
    line.remove("unknown")
    assert line.peek() is None and len(line) == 0 and list(line.jobs) == []


@settings(derandomize=True, deadline=None)
@given(st.lists(st.integers(1, 6), min_size=1, max_size=6), st.sets(st.integers(0, 5)))
def test_all_that_is_not_discarded_comes_once_and_nobody_is_overtaken_more_than_once_a_round(
    sizes: list[int], discarded: set[int]
) -> None:
    line: WaitingQueue[int, int] = WaitingQueue()
    for job, size in enumerate(sizes):
        line.add(job, range(size))
    for job in discarded:
        line.remove(job)
    kept = {job: size for job, size in enumerate(sizes) if job not in discarded}
    assert len(line) == sum(kept.values())
    found = []
    while waiting := line.peek():
        line.pop()
        found.append(waiting)
    assert sorted(found) == [(job, index) for job, size in kept.items() for index in range(size)]
    for job, size in kept.items():
        places = [place for place, (owner, _) in enumerate(found) if owner == job]
        assert all(later - earlier <= len(kept) for earlier, later in itertools.pairwise(places)), size
