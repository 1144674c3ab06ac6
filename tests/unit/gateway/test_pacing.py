"""Of what one flow floods, a few requests go on in a turn of the event loop, and a request of another one at once."""

import math
import time
from collections import Counter
from collections.abc import Callable, Iterator

import gevent
import pytest

from contracts.jobs import Flow
from services.gateway.limits import pacing as pacing_module
from services.gateway.limits.pacing import LONG_S, NUM_AT_ONCE, PAUSE_S, Pacing
from services.gateway.processes import recent_flows
from services.gateway.processes.counters import Counters
from tests.support.waiting import PATIENCE_S

A, B = ("default", "a"), ("interactive", "b")
MODEL, OTHER_MODEL = "one", "other"
NUM_REQUESTS = 100
FOR_EVER_S = 3600.0


class Requests:
    """Requests of flows, and in which turns of the loop they went on."""

    def __init__(self, pacing: Pacing) -> None:
        self._pacing = pacing
        self._all: list[gevent.Greenlet] = []
        self._num_come = 0
        self.turn = 0
        self.gone_on: list[tuple[Flow, int, int]] = []
        """Flow, number of the request, and turn."""

    def count_turn(self) -> None:
        self.turn += 1

    def come(self, flow: Flow, num_requests: int, model: str = MODEL) -> None:
        """Let so many come. A busy machine takes some turns for that."""
        self._all += [gevent.spawn(self._request, flow, number, model) for number in range(num_requests)]
        wait_for(lambda: self._num_come == len(self._all))

    def _request(self, flow: Flow, number: int, model: str) -> None:
        self._num_come += 1
        self._pacing.wait(flow, model)
        self.gone_on.append((flow, number, self.turn))

    def num_of(self, flow: Flow) -> int:
        return sum(one == flow for one, _, _ in self.gone_on)

    def end(self) -> None:
        gevent.joinall(self._all, timeout=PATIENCE_S, raise_error=True)
        assert len(self.gone_on) == len(self._all)

    def kill(self) -> None:
        gevent.killall(self._all)


def wait_for(condition: Callable[[], bool]) -> None:
    until = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < until
        gevent.sleep(0.001)


@pytest.fixture
def pacing() -> Pacing:
    return Pacing(Counters())


@pytest.fixture
def requests(pacing: Pacing) -> Iterator[Requests]:
    requests = Requests(pacing)
    counter = gevent.get_hub().loop.check(ref=False)
    counter.start(requests.count_turn)
    yield requests
    counter.stop()
    requests.kill()


@pytest.fixture
def no_end_of_pauses(pacing: Pacing, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who has to pause does so for ever."""
    monkeypatch.setattr(pacing_module, "PAUSE_S", FOR_EVER_S)
    monkeypatch.setattr(pacing_module, "MAX_WAIT_S", FOR_EVER_S * NUM_REQUESTS)


def test_a_flood_goes_on_in_its_order_a_few_requests_in_each_turn(requests: Requests) -> None:
    requests.come(B, 1)
    requests.come(A, NUM_REQUESTS)
    requests.end()
    assert [number for flow, number, _ in requests.gone_on if flow == A] == list(range(NUM_REQUESTS))
    assert max(Counter(turn for flow, _, turn in requests.gone_on if flow == A).values()) <= NUM_AT_ONCE


def test_who_comes_beside_a_flood_goes_on_at_once(requests: Requests, pacing: Pacing, no_end_of_pauses: None) -> None:
    pacing.note_eta(A, MODEL, LONG_S + 1)
    requests.come(B, 1)
    requests.come(A, NUM_REQUESTS)
    wait_for(lambda: (B, "") not in pacing._lines)
    before = requests.turn
    pacing.wait(B, MODEL)
    assert requests.turn == before and requests.num_of(A) < NUM_REQUESTS / 2


def test_floods_share_what_goes_on_in_a_turn(requests: Requests) -> None:
    requests.come(B, 1)
    requests.come(A, NUM_REQUESTS)
    requests.come(B, NUM_REQUESTS)
    requests.end()
    flows = [flow for flow, _, _ in requests.gone_on]
    second = flows.index(B, 1)
    assert flows[second : second + 40].count(B) == pytest.approx(20, abs=NUM_AT_ONCE)
    # And one that comes, before its flow has a line.
    assert max(Counter(turn for _, _, turn in requests.gone_on).values()) <= NUM_AT_ONCE + 1


@pytest.mark.parametrize("several_s", [0.0, FOR_EVER_S])
def test_nobody_waits_where_no_other_flow_was_there_of_late(
    requests: Requests, pacing: Pacing, monkeypatch: pytest.MonkeyPatch, several_s: float
) -> None:
    monkeypatch.setattr(recent_flows, "SEVERAL_S", several_s)
    if not several_s:
        pacing.wait(B, MODEL)
    before = requests.turn
    for _ in range(NUM_REQUESTS):
        pacing.wait(A, MODEL)
    assert requests.turn == before


def test_a_flow_of_which_much_waits_pauses(requests: Requests, pacing: Pacing) -> None:
    pacing.note_eta(A, MODEL, LONG_S + 1)
    requests.come(B, 1)
    began = time.monotonic()
    requests.come(A, NUM_REQUESTS // 2)
    requests.end()
    num_pauses = (time.monotonic() - began) / PAUSE_S
    assert num_pauses + 2 >= NUM_REQUESTS // 2


def test_others_do_not_pause(requests: Requests, pacing: Pacing, no_end_of_pauses: None) -> None:
    pacing.note_eta(A, MODEL, LONG_S + 1)
    pacing.note_eta(B, MODEL, LONG_S - 1)
    requests.come(B, 1)
    requests.come(A, NUM_REQUESTS)
    requests.come(B, NUM_REQUESTS)
    wait_for(lambda: requests.num_of(B) == 1 + NUM_REQUESTS)
    assert requests.num_of(A) < NUM_REQUESTS / 2


def test_nobody_waits_long_because_of_pauses(
    requests: Requests, pacing: Pacing, monkeypatch: pytest.MonkeyPatch
) -> None:
    pause_s, most_s = 0.2, 1.0
    monkeypatch.setattr(pacing_module, "PAUSE_S", pause_s)
    monkeypatch.setattr(pacing_module, "MAX_WAIT_S", most_s)
    monkeypatch.setattr(pacing_module, "LONG_FOR_S", FOR_EVER_S)
    pacing.note_eta(A, MODEL, LONG_S + 1)
    requests.come(B, 1)
    began = time.monotonic()
    requests.come(A, 1000)
    requests.end()
    assert time.monotonic() - began < 3 * most_s, "with a fifth of those that are left at each pause it takes 6 s"


def test_refused_requests_pause(requests: Requests, pacing: Pacing, no_end_of_pauses: None) -> None:
    pacing.note_eta(A, MODEL, math.inf)
    requests.come(B, 1)
    requests.come(A, NUM_REQUESTS)
    requests.come(B, NUM_REQUESTS)
    wait_for(lambda: requests.num_of(B) == 1 + NUM_REQUESTS)
    assert requests.num_of(A) < NUM_REQUESTS / 2


def test_requests_for_another_model_do_not_pause(requests: Requests, pacing: Pacing, no_end_of_pauses: None) -> None:
    pacing.note_eta(A, MODEL, LONG_S + 1)
    requests.come(B, 1)
    requests.come(A, NUM_REQUESTS)
    before = requests.num_of(A)
    requests.come(A, NUM_REQUESTS, OTHER_MODEL)
    wait_for(lambda: requests.num_of(A) >= before + NUM_REQUESTS)
    assert before < NUM_REQUESTS / 2


def test_processes_know_together_whether_there_are_several_flows() -> None:
    counters = [Counters(num_slots=3) for _ in range(2)]
    for slot, own in enumerate(counters, start=1):
        own._slots = counters[0]._slots  # as after a fork
        own.use(slot)
    first, second = (Pacing(own) for own in counters)
    first.wait(A, MODEL)
    second.wait(A, MODEL)
    assert not first.is_needed and not second.is_needed
    second.wait(B, MODEL)
    first.wait(A, MODEL)
    assert first.is_needed and second.is_needed


def test_a_gateway_without_requests_does_nothing(requests: Requests) -> None:
    requests.come(B, 1)
    requests.come(A, NUM_REQUESTS)
    requests.end()
    gevent.sleep(0.01)
    before = requests.turn
    gevent.sleep(0.2)
    assert requests.turn < before + 100, "the loop turns for nobody"
