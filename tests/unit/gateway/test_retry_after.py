"""When a client is asked to read an unfinished job again: less and less often where an estimate has failed."""

from types import SimpleNamespace
from typing import Any

import pytest

from contracts.jobs import Job
from contracts.price.profile import ModelProfile
from services.gateway.admission.capacity import Capacity
from services.gateway.admission.lanes import NOTHING
from services.gateway.admission.loads import ModelLoad
from services.gateway.jobs.places import Places
from services.gateway.jobs.view import QueuePlace

NEXT = QueuePlace(0, 0.0, 0.002)
NOW = 1000.0


def retry_after_s(place: QueuePlace | None, *, use: float = 0.0, **job: Any) -> int:
    load = ModelLoad(ModelProfile(row_s=1.0), Capacity(2.0, 1.0), use={**NOTHING, "default": use})
    monitor: Any = SimpleNamespace(loads=SimpleNamespace(of=lambda model: load), store_time=lambda: NOW)
    fields: dict[str, Any] = {"created_at": NOW, "deadline_at": NOW + 900, "price_s": 1.0, **job}
    status = "queued" if place else "running"
    found = Job(id="j", tenant="t", task="embed", model="m", status=status, **fields)  # type: ignore[arg-type]
    return Places(None, monitor).retry_after_s(found, place)  # type: ignore[arg-type]


@pytest.mark.parametrize(("waited_s", "expected"), [(0, 1), (4, 1), (20, 5), (400, 100), (9999, 600)])
def test_a_job_that_waits_while_its_model_stands_still_is_read_less_and_less_often(
    waited_s: float, expected: int
) -> None:
    assert retry_after_s(NEXT, created_at=NOW - waited_s) == expected
    assert retry_after_s(QueuePlace(0, 0.0, None), created_at=NOW - waited_s) == expected


def test_a_job_that_has_waited_for_long_and_is_next_now_is_read_soon() -> None:
    assert retry_after_s(NEXT, use=1.0, created_at=NOW - 400) == 1
    assert retry_after_s(QueuePlace(3, 9.0, 6.5), use=1.0, created_at=NOW - 400) == 7


def test_an_estimate_that_is_longer_holds_though_the_model_stands_still() -> None:
    assert retry_after_s(QueuePlace(3, 90.0, 60.0), created_at=NOW - 20) == 60


@pytest.mark.parametrize(("runs_s", "price_s", "expected"), [(1, 8, 7), (10, 8, 1), (28, 8, 5), (9999, 8, 600)])
def test_a_job_that_runs_for_longer_than_was_thought_is_read_less_and_less_often(
    runs_s: float, price_s: float, expected: int
) -> None:
    assert retry_after_s(None, started_at=NOW - runs_s, price_s=price_s) == expected


def test_a_job_that_has_waited_for_long_and_runs_now_is_read_when_it_is_probably_done() -> None:
    assert retry_after_s(None, created_at=NOW - 400, started_at=NOW - 0.5) == 1
