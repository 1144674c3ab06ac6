"""Of what one flow floods, a few requests go on in a turn of the event loop, and a request of another one at once."""

from collections import Counter
from collections.abc import Iterator

import gevent
import pytest

from contracts import recent_flows
from contracts.jobs import Flow
from services.gateway.limits.pacing import NUM_AT_ONCE, Pacing

A, B = ("default", "a"), ("interactive", "b")
NUM_REQUESTS = 50


class Turns:
    """Requests that wait to go on, and the turns of the loop in which they did."""

    def __init__(self, pacing: Pacing) -> None:
        self._pacing = pacing
        self._requests: list[gevent.Greenlet] = []
        self.number = 0
        self.gone_on: list[tuple[Flow, int, int]] = []
        """Flow, number of the request, and turn."""

    def count(self) -> None:
        self.number += 1

    def come(self, flow: Flow, num_requests: int) -> None:
        self._requests += [gevent.spawn(self._request, flow, number) for number in range(num_requests)]

    def _request(self, flow: Flow, number: int) -> None:
        self._pacing.wait(flow)
        self.gone_on.append((flow, number, self.number))

    def end(self) -> None:
        gevent.joinall(self._requests, timeout=60, raise_error=True)
        assert all(request.ready() for request in self._requests)

    def most_in_one(self, flow: Flow) -> int:
        return max(Counter(turn for one, _, turn in self.gone_on if one == flow).values())


@pytest.fixture
def turns() -> Iterator[Turns]:
    turns = Turns(Pacing())
    counter = gevent.get_hub().loop.check(ref=False)
    counter.start(turns.count)
    yield turns
    counter.stop()


def test_a_flood_goes_on_in_its_order_a_few_requests_in_each_turn(turns: Turns) -> None:
    turns.come(B, 1)
    turns.come(A, NUM_REQUESTS)
    turns.end()
    assert [number for flow, number, _ in turns.gone_on if flow == A] == list(range(NUM_REQUESTS))
    assert turns.most_in_one(A) == NUM_AT_ONCE


def test_who_comes_beside_a_flood_goes_on_at_once(turns: Turns) -> None:
    turns.come(B, 1)
    turns.come(A, NUM_REQUESTS)
    gevent.sleep(0)
    came_in, before = turns.number, len(turns.gone_on)
    assert before < NUM_REQUESTS / 2
    turns.come(B, 1)
    turns.end()
    assert turns.gone_on[before][0] == B
    assert turns.gone_on[before][2] <= came_in + 1


def test_floods_share_what_goes_on_in_a_turn(turns: Turns) -> None:
    turns.come(B, 1)
    turns.come(A, NUM_REQUESTS)
    turns.come(B, NUM_REQUESTS)
    turns.end()
    flows = [flow for flow, _, _ in turns.gone_on[:NUM_REQUESTS]]
    assert flows.count(B) == pytest.approx(NUM_REQUESTS / 2, abs=NUM_AT_ONCE)
    assert max(Counter(turn for *_, turn in turns.gone_on).values()) <= NUM_AT_ONCE


def test_nobody_waits_where_there_is_one_flow(turns: Turns) -> None:
    turns.come(A, NUM_REQUESTS)
    turns.end()
    assert turns.most_in_one(A) == NUM_REQUESTS


def test_nobody_waits_where_another_flow_was_there_long_ago(turns: Turns, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recent_flows, "SEVERAL_S", 0.0)
    turns.come(B, 1)
    turns.come(A, NUM_REQUESTS)
    turns.end()
    assert turns.most_in_one(A) == NUM_REQUESTS


def test_a_gateway_without_requests_does_nothing(turns: Turns) -> None:
    turns.come(B, 1)
    turns.come(A, NUM_REQUESTS)
    turns.end()
    gevent.sleep(0.01)
    before = turns.number
    gevent.sleep(0.2)
    assert turns.number < before + 100, "the loop turns for nobody"
