"""Waits for jobs: how many times the store is asked, and what a lost wake-up costs."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import gevent
import pytest
import redis

from contracts.errors import Unavailable
from contracts.jobs import Job, JobState
from contracts.store.changes import Change
from services.gateway.http.errors import ClientDisconnected
from services.gateway.jobs import wake_ups as module
from services.gateway.jobs.waiting import JobWaiter, Wait
from services.gateway.jobs.waiting_room import WaitingRoom
from services.gateway.jobs.wake_ups import WakeUps
from services.gateway.processes.counters import Counters
from tests.support.waiting import PATIENCE_S


class _Store:
    """One job, the calls that were made for it, and what happens when somebody begins to follow it."""

    def __init__(self) -> None:
        self.status: Any = "queued"
        self.version = 1
        self.calls: list[str] = []
        self.on_follow: Callable[[], None] = lambda: None
        self.answers = True

    def read(self, job_id: str, tenant: str) -> Job:
        self.calls.append("read")
        return self.job_of(job_id, tenant)

    def job_of(self, job_id: str, tenant: str) -> Job:
        return Job(
            id=job_id, tenant=tenant, task="embed", model="m", status=self.status, version=self.version,
            attempt=1, crashes=0, created_at=1.0, deadline_at=2.0,
        )  # fmt: skip

    def published(self, job_id: str, tenant: str, record: list[bytes | None]) -> Job:
        self.calls.append("published")
        return self.job_of(job_id, tenant)

    def state(self, job_id: str, tenant: str) -> JobState:
        self.calls.append("state")
        return JobState(self.status, self.version)

    def follow(self, job_id: str, channel: str, *, events: bool = False) -> bool:
        self.calls.append("follow")
        self.on_follow()
        return self.status == "queued"

    def check_store(self) -> None:
        if not self.answers:
            raise Unavailable

    def become(self, status: str) -> None:
        self.status, self.version = status, self.version + 1


class _House:
    def __init__(self) -> None:
        store: Any = _Store()
        self.store: _Store = store
        self.wake_ups = WakeUps(store)
        self.waiter = JobWaiter(store, store, self.wake_ups, WaitingRoom(40, Counters()))
        self.is_gone = False

    @contextmanager
    def wait(self, *, every_change: bool = False) -> Iterator[Wait]:
        with (
            gevent.Timeout(PATIENCE_S),
            self.waiter.watch("a", "acme", lambda: self.is_gone, every_change=every_change) as wait,
        ):
            yield wait

    def end(self, *, told: bool = True, record: list[bytes | None] | None = None) -> None:
        self.store.become("succeeded")
        if told:
            self.wake_ups.wake(Change("a", "succeeded", record))


@pytest.fixture
def house() -> _House:
    return _House()


@pytest.fixture
def rare_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever waits looks at the record so rarely that only wake-ups end a wait."""
    monkeypatch.setattr(module, "POLL_S", 10 * PATIENCE_S)


@pytest.fixture
def frequent_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "POLL_S", 0.01)


def test_a_job_that_was_submitted_here_is_read_once(house: _House, rare_looks: None) -> None:
    with house.wait() as wait:
        waiting = gevent.spawn(wait.for_end_of_submitted, PATIENCE_S)
        for status in ("running", "queued", "running"):
            gevent.sleep(0)
            house.wake_ups.wake(Change("a", status, None))
        gevent.sleep(0.01)
        assert house.store.calls == []
        house.end()
        assert waiting.get().finished
    assert house.store.calls == ["read"]


def test_a_job_that_has_ended_before_the_reply_to_its_submit_is_read_at_once(house: _House, rare_looks: None) -> None:
    with house.wait() as wait:
        house.end()
        assert wait.for_end_of_submitted(PATIENCE_S).finished
    assert house.store.calls == ["read"]


def test_an_end_that_comes_with_its_record_is_not_read(house: _House, rare_looks: None) -> None:
    gevent.spawn_later(0.01, house.end, record=[b"acme"])
    with house.wait() as wait:
        assert wait.for_end_of_submitted(PATIENCE_S).finished
    assert house.store.calls == ["published"]


def test_an_answer_that_is_here_is_given_though_the_store_is_lost(house: _House, rare_looks: None) -> None:
    def end_and_lose() -> None:
        house.end(record=[b"acme"])
        house.store.answers = False

    gevent.spawn_later(0.01, end_and_lose)
    with house.wait() as wait:
        assert wait.for_end_of_submitted(PATIENCE_S).finished


def test_a_job_from_elsewhere_is_followed_between_two_reads(house: _House, rare_looks: None) -> None:
    house.store.on_follow = lambda: gevent.spawn_later(0.01, house.end)
    with house.wait() as wait:
        assert wait.for_end(PATIENCE_S).finished
    assert house.store.calls == ["read", "follow", "read"]


def test_an_end_before_the_store_knows_of_the_follower_is_not_missed(house: _House, rare_looks: None) -> None:
    house.store.on_follow = lambda: house.end(told=False)
    with house.wait() as wait:
        assert wait.for_end(PATIENCE_S).finished
    assert house.store.calls == ["read", "follow", "read"]


def test_a_finished_job_is_read_once(house: _House) -> None:
    house.end()
    with house.wait() as wait:
        wait.for_end(PATIENCE_S)
    assert house.store.calls == ["read"]


def test_a_wake_up_that_is_lost_costs_a_short_delay(house: _House, frequent_looks: None) -> None:
    gevent.spawn_later(0.05, house.end, told=False)
    with house.wait() as wait:
        assert wait.for_end_of_submitted(PATIENCE_S).finished
    *looks, last = house.store.calls
    assert set(looks) == {"state"} and last == "read"


def test_after_an_outage_the_job_is_followed_again(house: _House, rare_looks: None) -> None:
    def lose_subscription() -> None:
        house.wake_ups.wake_all()
        gevent.spawn_later(0.01, house.end)

    gevent.spawn_later(0.01, lose_subscription)
    with house.wait() as wait:
        assert wait.for_end_of_submitted(PATIENCE_S).finished
    assert house.store.calls == ["follow", "read"]


def test_while_the_store_takes_no_writes_looks_find_the_end(house: _House, frequent_looks: None) -> None:
    def refuse() -> None:
        raise redis.exceptions.ReadOnlyError("You can't write against a read only replica.", status_code="READONLY")

    house.store.on_follow = refuse
    gevent.spawn_later(0.05, house.end, told=False)
    with house.wait() as wait:
        assert wait.for_end(PATIENCE_S).finished


def test_a_store_that_is_lost_ends_the_wait(house: _House, rare_looks: None) -> None:
    def lose() -> None:
        house.store.answers = False
        house.wake_ups.wake_all()

    gevent.spawn_later(0.01, lose)
    with house.wait() as wait, pytest.raises(Unavailable):
        wait.for_end_of_submitted(PATIENCE_S)


def test_a_client_that_disconnects_ends_the_wait(house: _House, frequent_looks: None) -> None:
    gevent.spawn_later(0.01, setattr, house, "is_gone", True)
    with house.wait() as wait, pytest.raises(ClientDisconnected):
        wait.for_end_of_submitted(PATIENCE_S)


def test_a_gateway_that_stops_returns_the_job_as_it_is(house: _House, rare_looks: None) -> None:
    gevent.spawn_later(0.01, house.wake_ups.close)
    with house.wait() as wait:
        assert wait.for_end_of_submitted(PATIENCE_S).status == "queued"


def test_a_change_is_seen_whether_it_came_before_or_after_the_follower(house: _House, rare_looks: None) -> None:
    def change(*, told: bool) -> None:
        house.store.become("running")
        if told:
            house.wake_ups.wake(Change("a", "running", None))

    for told in (False, True):
        house.store.version, house.store.status = 1, "queued"
        act = (lambda: gevent.spawn_later(0.01, change, told=True)) if told else (lambda: change(told=False))
        house.store.on_follow = act
        with house.wait(every_change=True) as wait:
            assert wait.for_change(lambda state: state.version > 1, PATIENCE_S).version == 2
    assert "read" not in house.store.calls
