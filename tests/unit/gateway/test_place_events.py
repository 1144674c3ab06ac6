"""Which places are news to a client that follows a job."""

import pytest

from services.gateway.jobs.view import QueuePlace
from services.gateway.streaming.place_events import is_news

SENT = QueuePlace(position=3, work_ahead_s=20.0, eta_s=40.0)


def place(position: int, eta_s: float | None) -> QueuePlace:
    return QueuePlace(position, 20.0, eta_s)


@pytest.mark.parametrize(("eta_s", "elapsed_s"), [(40.0, 300.0), (43.9, 1.5), (38.5, 1.5), (30.0, 10.0), (0.0, 40.0)])
def test_time_that_goes_by_or_stands_still_is_none(eta_s: float, elapsed_s: float) -> None:
    assert not is_news(SENT, place(3, eta_s), elapsed_s)


@pytest.mark.parametrize(("position", "eta_s"), [(2, 40.0), (4, 40.0), (3, 44.1), (3, 34.0), (3, None)])
def test_another_place_or_time_is(position: int, eta_s: float | None) -> None:
    assert is_news(SENT, place(position, eta_s), 1.5)
    assert is_news(None, place(position, eta_s), 1.5)


def test_of_a_model_that_was_not_measured_the_position_counts() -> None:
    unknown = place(3, None)
    assert not is_news(unknown, place(3, None), 9.0) and is_news(unknown, place(2, None), 9.0)
