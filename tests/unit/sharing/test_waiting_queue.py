"""The order of waiting requests: flows share, and the jobs of a flow stand in line."""

from collections import Counter, deque

from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.jobs import Claim, Flow
from tests.support.attempts import make_attempt
from workers.runtime.sharing.waiting_queue import WaitingQueue

CLAIM = make_attempt().claim


def claim_of(tenant: str, weight: float = 1.0) -> Claim:
    return make_attempt(tenant=tenant, weight=weight).claim


def taken(queue: WaitingQueue[str, int]) -> list[tuple[str, int]]:
    """Take all items, where nothing is in use."""
    found = []
    while waiting := queue.peek({}):
        assert queue.pop(waiting[0]) == waiting[1]
        found.append(waiting)
    return found


def test_single_requests_are_served_in_the_order_of_arrival() -> None:
    queue: WaitingQueue[str, int] = WaitingQueue()
    for job in "abc":
        queue.add(job, [0], CLAIM)
    assert taken(queue) == [("a", 0), ("b", 0), ("c", 0)]


def test_small_jobs_go_before_a_large_one_that_has_begun() -> None:
    queue: WaitingQueue[str, int] = WaitingQueue()
    queue.add("bulk", range(5), CLAIM)
    assert queue.peek({}) == ("bulk", 0) and queue.pop("bulk") == 0
    queue.add("small", [0], CLAIM)
    queue.add("other", [0], CLAIM)
    assert taken(queue) == [("small", 0), ("other", 0), *(("bulk", number) for number in range(1, 5))]


def test_the_next_request_stays_the_next_until_it_is_popped() -> None:
    queue: WaitingQueue[str, int] = WaitingQueue()
    queue.add("a", [0], CLAIM)
    assert queue.peek({}) == queue.peek({}) == ("a", 0)
    queue.add("b", [0], CLAIM)
    assert queue.peek({}) == ("a", 0)


def test_an_empty_queue_has_no_next_request() -> None:
    queue: WaitingQueue[str, int] = WaitingQueue()
    queue.add("empty", [], CLAIM)
    queue.remove("unknown")
    assert queue.peek({}) is None and len(queue) == 0 and list(queue.jobs) == []


@settings(derandomize=True, deadline=None)
@given(st.lists(st.integers(1, 6), min_size=1, max_size=6), st.sets(st.integers(0, 5)))
def test_every_request_is_served_once_and_those_of_a_job_in_one_go(sizes: list[int], removed: set[int]) -> None:
    queue: WaitingQueue[int, int] = WaitingQueue()
    for job, size in enumerate(sizes):
        queue.add(job, range(size), CLAIM)
    for job in removed:
        queue.remove(job)
    kept = {job: size for job, size in enumerate(sizes) if job not in removed}
    assert len(queue) == sum(kept.values())
    found = []
    while waiting := queue.peek({}):
        queue.pop(waiting[0])
        found.append(waiting)
    assert sorted(found) == [(job, index) for job, size in kept.items() for index in range(size)]
    for job, size in kept.items():
        turns = [turn for turn, (owner, _) in enumerate(found) if owner == job]
        assert turns == list(range(turns[0], turns[0] + size))


def test_the_number_of_requests_can_be_read_while_another_thread_adds_a_job() -> None:
    queue: WaitingQueue[str, int] = WaitingQueue()

    class Interrupted(deque[int]):
        """While its length is read, a job arrives, as it may in the heartbeat's thread between two bytecodes."""

        def __len__(self) -> int:
            if "late" not in queue.jobs:
                queue.add("late", [0], CLAIM)
            return super().__len__()

    queue.add("early", [0, 1], CLAIM)
    queue._items["early"] = Interrupted([0, 1])
    assert len(queue) == 2
    assert len(queue) == 3


def test_flows_take_turns_however_many_jobs_one_of_them_has() -> None:
    queue: WaitingQueue[str, int] = WaitingQueue()
    for number in range(100):
        queue.add(f"a{number}", [0], claim_of("a"))
    queue.add("b", [0, 1], claim_of("b"))
    assert [job for job, _ in taken(queue)][:5] == ["a0", "b", "a1", "b", "a2"]


def test_what_is_free_goes_to_the_flow_with_least_in_use_for_its_share() -> None:
    queue: WaitingQueue[str, int] = WaitingQueue()
    claims = {"light": claim_of("light"), "heavy": claim_of("heavy", weight=3.0)}
    for job, claim in claims.items():
        queue.add(job, range(100), claim)
    in_use: Counter[Flow] = Counter()
    for _ in range(40):
        waiting = queue.peek(in_use)
        assert waiting
        queue.pop(waiting[0])
        in_use[claims[waiting[0]].flow] += 1
    assert in_use == {claims["light"].flow: 10, claims["heavy"].flow: 30}


def test_a_flow_that_may_have_no_more_is_passed_by() -> None:
    queue: WaitingQueue[str, int] = WaitingQueue()
    queue.add("first", [0], claim_of("a"))
    queue.add("second", [0], claim_of("a"))
    queue.add("other", [0], claim_of("b"))
    assert queue.peek({}, lambda job, item: job != "first") == ("other", 0)
    assert queue.peek({}, lambda job, item: False) is None
    assert queue.peek({}) == ("first", 0)


def test_a_queue_that_is_empty_again_keeps_nothing() -> None:
    queue: WaitingQueue[str, int] = WaitingQueue()
    for tenant in "abc":
        queue.add(f"{tenant}1", [0, 1], claim_of(tenant))
        queue.add(f"{tenant}2", [0], claim_of(tenant))
        queue.remove(f"{tenant}2")
    queue.remove("c1")
    taken(queue)
    assert not queue._lines and not queue._shares and not queue._flow_of and not queue._items
