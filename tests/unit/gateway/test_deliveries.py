"""Delivered jobs are told to the store together, again after an outage, and never pile up."""

from collections.abc import Callable
from typing import Any

import gevent
import redis

from contracts.jobs import Job
from services.gateway.http.request_facts import RequestFacts
from services.gateway.jobs import deliveries as module
from services.gateway.jobs.deliveries import PERIOD_S, Deliveries
from tests.support.waiting import PATIENCE_S

KEEP_S, NOW = 300.0, 1_000_000.0


class _Writer:
    def __init__(self) -> None:
        self.calls: list[list[str]] = []
        self.answers = True
        self.is_broken = False
        self.num_broken = 0
        self.takes_s = 0.0
        self.num_running = self.most_running = 0

    def mark_delivered(self, job_ids: list[str], keep_s: float) -> None:
        self.num_running += 1
        self.most_running = max(self.most_running, self.num_running)
        gevent.sleep(self.takes_s)
        self.num_running -= 1
        if self.is_broken:
            self.num_broken += 1
            raise ValueError("a reply that nobody expects")
        if not self.answers:
            raise redis.ConnectionError("refused")
        assert keep_s == KEEP_S
        self.calls.append(list(job_ids))


def make(on_delivery: Callable[[Job], None] = lambda job: None) -> tuple[Deliveries, _Writer]:
    writer: Any = _Writer()
    return Deliveries(writer, KEEP_S, lambda: NOW, on_delivery), writer


def finished(**changes: Any) -> Job:
    fields: dict[str, Any] = {
        **{"id": "a", "tenant": "t", "task": "embed", "model": "m", "status": "succeeded", "version": 3},
        **{"attempt": 1, "crashes": 0, "created_at": NOW - 9, "deadline_at": NOW + 9, "expires_at": NOW + 3600},
    }
    return Job(**(fields | changes))


def send(deliveries: Deliveries, *job_ids: str) -> None:
    for job_id in job_ids:
        deliveries.sent(RequestFacts(id="r", delivers=job_id))


def test_jobs_are_told_to_the_store_together() -> None:
    deliveries, writer = make()
    send(deliveries, "a", "b")
    deliveries.sent(RequestFacts(id="r"))
    assert writer.calls == []
    with gevent.Timeout(PATIENCE_S):
        while not writer.calls:
            gevent.sleep(PERIOD_S / 5)
    assert writer.calls == [["a", "b"]]


def test_a_slow_store_gets_one_call_at_a_time() -> None:
    deliveries, writer = make()
    writer.takes_s = 3 * PERIOD_S
    with gevent.Timeout(PATIENCE_S):
        for number in range(8):
            send(deliveries, str(number))
            gevent.sleep(PERIOD_S)
        while sum(map(len, writer.calls)) < 8:
            gevent.sleep(PERIOD_S / 5)
    assert writer.most_running == 1 and len(writer.calls) > 1


def test_an_unexpected_error_does_not_end_the_marking() -> None:
    deliveries, writer = make()
    writer.is_broken = True
    send(deliveries, "a")
    with gevent.Timeout(PATIENCE_S):
        while not writer.num_broken:
            gevent.sleep(PERIOD_S / 5)
        writer.is_broken = False
        while not writer.calls:
            send(deliveries, "b")
            gevent.sleep(PERIOD_S)
    assert set(writer.calls[0]) == {"b"}


def test_after_an_outage_they_are_told_again_and_the_oldest_make_room(monkeypatch: Any) -> None:
    monkeypatch.setattr(module, "MAX_JOBS", 3)
    deliveries, writer = make()
    writer.answers = False
    send(deliveries, "a", "b")
    deliveries.mark()
    send(deliveries, "c", "d")
    deliveries.mark()
    writer.answers = True
    deliveries.mark()
    assert writer.calls == [["b", "c", "d"]]


def test_only_a_finished_job_whose_time_nobody_has_chosen_is_noted() -> None:
    deliveries, _ = make()
    facts = RequestFacts(id="r")
    for job in (finished(status="running", expires_at=None), finished(keep=True)):
        assert deliveries.note(job, facts) is job and facts.delivers is None
    assert deliveries.note(finished(), facts).expires_at == NOW + KEEP_S
    assert facts.delivers == "a"
    soon = finished(expires_at=NOW + 5)
    assert deliveries.note(soon, facts).expires_at == NOW + 5


def test_each_finished_job_that_is_going_to_be_delivered_is_told() -> None:
    told: list[str] = []
    deliveries, _ = make(lambda job: told.append(job.id))
    for job in (finished(id="runs", status="running"), finished(id="kept", keep=True), finished(id="other")):
        deliveries.note(job, RequestFacts(id="r"))
    assert told == ["kept", "other"]
