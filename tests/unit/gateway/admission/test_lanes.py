"""What a lane gets of a model: its weight among those that are busy, or what the others leave."""

import math

import pytest

from contracts.jobs import LANES, Lane
from services.gateway.admission.lanes import (
    NOTHING,
    RISE_S,
    WINDOW_S,
    ByLane,
    lane_rate,
    mean_of_late,
    most_of_late,
    rates,
    use_of_late,
    weights_of_late,
)


def waiting(*lanes: Lane) -> ByLane:
    return {lane: 5.0 if lane in lanes else 0.0 for lane in LANES}


def use(**rates: float) -> ByLane:
    return {lane: rates.get(lane, 0.0) for lane in LANES}


def test_a_lane_that_is_alone_gets_everything() -> None:
    for lane in LANES:
        assert (
            lane_rate(lane, 3.0, waiting(lane), NOTHING) == lane_rate(lane, 3.0, waiting(), use(**{lane: 3.0})) == 3.0
        )


def test_lanes_in_which_jobs_wait_share_by_weight() -> None:
    used = use(interactive=8.0, default=4.0, bulk=1.0)
    rates = [lane_rate(lane, 13.0, waiting(*LANES), used) for lane in LANES]
    assert rates == pytest.approx([8.0, 4.0, 1.0])
    # It does not need to wait there already.
    assert lane_rate("default", 12.0, waiting("interactive"), use(interactive=12.0)) == pytest.approx(4.0)


def test_a_lane_gets_what_others_did_not_use_if_that_is_more_than_its_share() -> None:
    # Nothing waits for the lightly used lane now, but it will take its part again.
    assert lane_rate("bulk", 10.0, waiting(), use(interactive=3.0)) == pytest.approx(7.0)
    assert lane_rate("interactive", 10.0, waiting(), use(bulk=9.5)) == pytest.approx(80 / 9)
    assert lane_rate("default", 10.0, waiting(), use(interactive=0.05)) == pytest.approx(10.0)


def test_work_that_waits_counts_before_any_of_it_was_started() -> None:
    """Else each lane would be promised everything at the start of a burst, or while no worker is alive."""
    work: ByLane = {"interactive": 53.0, "default": 53.0, "bulk": 53.0}
    assert [lane_rate(lane, 1.0, work, NOTHING) for lane in LANES] == pytest.approx([8 / 13, 4 / 13, 1 / 13])
    # What waits in a lane that is served at once takes no more than it needs.
    assert lane_rate("bulk", 10.0, {**NOTHING, "interactive": 3.0}, NOTHING) == pytest.approx(9.4)


def test_what_was_given_is_a_mean_of_late() -> None:
    mean, found = NOTHING, []
    for _ in range(200):
        mean = mean_of_late(mean, dict.fromkeys(LANES, 2.0), 1.0)
        found.append(mean["default"])
    assert found[-1] == pytest.approx(2.0, rel=0.01)
    # After the mean age of what counts, two thirds of a change are known.
    assert found[int(WINDOW_S) - 1] == pytest.approx(2.0 * 0.632, rel=0.01)


def test_more_use_is_noticed_at_once_and_less_use_later() -> None:
    more = use_of_late(NOTHING, use(default=2.0), RISE_S)["default"]
    less = use_of_late(use(default=2.0), NOTHING, RISE_S)["default"]
    assert more == pytest.approx(2.0 * 0.632, rel=0.01) and less == pytest.approx(2.0 * math.exp(-RISE_S / WINDOW_S))


def test_counts_that_get_less_are_no_use() -> None:
    """Another store, a correction, or a queue that was idle."""
    assert rates(dict.fromkeys(LANES, 100.0), use(default=1.0), 1.0) == NOTHING
    assert rates(use(default=1.0), use(default=4.0), 2.0) == use(default=1.5)


def test_the_weights_of_tenants_follow_from_what_one_of_them_gets() -> None:
    """Two who wait, and a third one that takes a tenth of the lane."""
    found = weights_of_late(use(default=2.0, bulk=1.0), use(default=0.9), use(default=3.0, bulk=1.0))
    assert found == use(default=pytest.approx(2.22, abs=0.01))


def test_a_large_job_does_not_pass_for_a_crowd() -> None:
    """It was given at once, and the virtual time goes on with the next job of its tenant."""
    assert weights_of_late(use(default=14.0), use(default=1e-5), use(default=1.0)) == use(default=1.0)


def test_tenants_who_were_there_are_remembered_for_a_while() -> None:
    seen = most_of_late(use(default=5.0, bulk=1.0), use(bulk=2.0), WINDOW_S)
    assert seen == use(default=pytest.approx(5.0 / math.e), bulk=2.0)
