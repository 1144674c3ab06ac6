"""The order of waiting requests: first come, first served, but a job of many does not hold up the others."""

import itertools
from collections import deque

from hypothesis import given, settings
from hypothesis import strategies as st

from workers.runtime.decoding.scheduling.waiting_queue import WaitingQueue


def taken(queue: WaitingQueue[str, int]) -> list[tuple[str, int]]:
    found = []
    while waiting := queue.peek():
        assert queue.pop() == waiting[1]
        found.append(waiting)
    return found


def test_single_requests_are_served_in_the_order_of_arrival() -> None:
    queue: WaitingQueue[str, int] = WaitingQueue()
    for job in "abc":
        queue.add(job, [0])
    assert taken(queue) == [("a", 0), ("b", 0), ("c", 0)]


def test_a_job_of_many_requests_takes_turns_with_others() -> None:
    queue: WaitingQueue[str, int] = WaitingQueue()
    queue.add("bulk", range(5))
    queue.add("small", [0])
    queue.add("other", [0, 1])
    assert taken(queue) == [
        ("bulk", 0), ("small", 0), ("other", 0), ("bulk", 1), ("other", 1), ("bulk", 2), ("bulk", 3), ("bulk", 4),
    ]  # fmt: skip


def test_the_next_request_stays_the_next_until_it_is_popped() -> None:
    queue: WaitingQueue[str, int] = WaitingQueue()
    queue.add("a", [0])
    assert queue.peek() == queue.peek() == ("a", 0)
    queue.add("b", [0])
    assert queue.peek() == ("a", 0)


def test_an_empty_queue_has_no_next_request() -> None:
    queue: WaitingQueue[str, int] = WaitingQueue()
    queue.add("empty", [])
    queue.remove("unknown")
    assert queue.peek() is None and len(queue) == 0 and list(queue.jobs) == []


@settings(derandomize=True, deadline=None)
@given(st.lists(st.integers(1, 6), min_size=1, max_size=6), st.sets(st.integers(0, 5)))
def test_every_request_is_served_once_and_overtaken_at_most_once_a_round(sizes: list[int], removed: set[int]) -> None:
    queue: WaitingQueue[int, int] = WaitingQueue()
    for job, size in enumerate(sizes):
        queue.add(job, range(size))
    for job in removed:
        queue.remove(job)
    kept = {job: size for job, size in enumerate(sizes) if job not in removed}
    assert len(queue) == sum(kept.values())
    found = []
    while waiting := queue.peek():
        queue.pop()
        found.append(waiting)
    assert sorted(found) == [(job, index) for job, size in kept.items() for index in range(size)]
    for job, size in kept.items():
        turns = [turn for turn, (owner, _) in enumerate(found) if owner == job]
        assert all(later - earlier <= len(kept) for earlier, later in itertools.pairwise(turns)), size


def test_the_number_of_requests_can_be_read_while_another_thread_adds_a_job() -> None:
    queue: WaitingQueue[str, int] = WaitingQueue()

    class Interrupted(deque[int]):
        """While its length is read, a job arrives, as it may in the heartbeat's thread between two bytecodes."""

        def __len__(self) -> int:
            if "late" not in queue.jobs:
                queue.add("late", [0])
            return super().__len__()

    queue.add("early", [0, 1])
    queue._items["early"] = Interrupted([0, 1])
    assert len(queue) == 2
    assert len(queue) == 3
