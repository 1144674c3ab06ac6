"""Wake-ups of greenlets that wait for jobs."""

from services.gateway.jobs.waiting import WakeUps


def test_a_wake_up_reaches_the_waiters_of_its_job_only() -> None:
    wake_ups = WakeUps()
    with wake_ups.watch("a") as first, wake_ups.watch("a") as second, wake_ups.watch("b") as other:
        wake_ups.wake("a")
        assert (first.is_set(), second.is_set(), other.is_set()) == (True, True, False)
        wake_ups.wake_all()
        assert other.is_set()
    assert wake_ups._waiting == {}
