"""Tenants take turns at the child process, and one of them has half of its places at most."""

from collections.abc import Callable
from typing import Any

import gevent
import pytest
from gevent.event import Event

from services.gateway.offload.client import Offload
from services.gateway.offload.errors import GatewayBusy, GatewayShareReached
from services.gateway.offload.turns import Turns
from tests.gateway.offload import calls


class Crowd:
    """Calls that wait for a turn, and the order in which it came."""

    def __init__(self) -> None:
        self.turns = Turns()
        self.order: list[str] = []
        self.may_end = Event()

    def add(self, owner: str, name: str, max_wait_s: float = 60.0) -> gevent.Greenlet:
        def run() -> None:
            with self.turns.taken(owner, max_wait_s):
                self.order.append(name)
                self.may_end.wait()

        greenlet = gevent.spawn(run)
        gevent.sleep(0)
        return greenlet


def test_a_tenant_with_many_calls_takes_turns_with_one_that_has_one() -> None:
    crowd = Crowd()
    greenlets = [crowd.add("ann", f"ann {number}") for number in range(5)]
    greenlets += [crowd.add("bob", f"bob {number}") for number in range(2)]
    greenlets.append(crowd.add("carl", "carl 0"))
    crowd.may_end.set()
    gevent.joinall(greenlets, raise_error=True)
    assert crowd.order == ["ann 0", "ann 1", "bob 0", "carl 0", "ann 2", "bob 1", "ann 3", "ann 4"]
    assert not crowd.turns._is_taken and not crowd.turns._waiting


@pytest.mark.parametrize("leave", ["timeout", "kill"])
def test_who_gives_up_leaves_no_gap(leave: str) -> None:
    crowd = Crowd()
    first = crowd.add("ann", "first")
    leaving = crowd.add("bob", "leaving", 0.01 if leave == "timeout" else 60.0)
    last = crowd.add("bob", "last")
    if leave == "kill":
        leaving.kill()
    leaving.join(10)
    assert leaving.ready()
    crowd.may_end.set()
    gevent.joinall([first, last], raise_error=True, timeout=10)
    assert crowd.order == ["first", "last"]


def test_a_turn_that_came_to_one_who_is_interrupted_goes_on() -> None:
    crowd = Crowd()
    first = crowd.add("ann", "first")
    killed, last = crowd.add("bob", "killed"), crowd.add("carl", "last")
    crowd.may_end.set()
    first.join(10)  # which gives the turn to the next one, who has not run yet
    killed.kill()
    last.join(10)
    assert last.ready() and crowd.order[-1] == "last" and not crowd.turns._is_taken


def refused(call: Callable[[], Any]) -> type[Exception] | None:
    try:
        call()
    except (GatewayShareReached, GatewayBusy) as error:
        return type(error)
    return None


def test_one_tenant_has_half_of_the_places() -> None:
    offload = Offload(max_calls=4)
    try:
        waiting = [gevent.spawn(offload.call, calls.burn, b"0.5", owner="ann") for _ in range(2)]
        gevent.sleep(0)
        assert refused(lambda: offload.call(calls.burn, b"0.1", owner="ann")) is GatewayShareReached
        assert refused(lambda: offload.call(calls.burn, b"0.1", owner="bob")) is None
        gevent.joinall(waiting, raise_error=True)
        assert refused(lambda: offload.call(calls.burn, b"0.1", owner="ann")) is None
    finally:
        offload.stop()


def test_without_keys_all_places_are_everybodys() -> None:
    offload = Offload(max_calls=3)
    try:
        waiting = [gevent.spawn(offload.call, calls.burn, b"0.2") for _ in range(3)]
        gevent.sleep(0)
        assert refused(lambda: offload.call(calls.burn, b"0.1")) is GatewayBusy
        gevent.joinall(waiting, raise_error=True)
    finally:
        offload.stop()
