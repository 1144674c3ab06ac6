"""Wake-ups of greenlets that wait for jobs."""

from typing import Any

import pytest
import redis

from contracts.store.changes import Change
from services.gateway.jobs.wake_ups import WakeUps, Watch


class _Writer:
    """Answers `follow` as the test says."""

    def __init__(self) -> None:
        self.reply: bool | Exception = True
        self.followed: list[tuple[str, bool]] = []
        self.channels: list[str] = []

    def follow(self, job_id: str, channel: str, *, events: bool = False) -> bool:
        if isinstance(self.reply, Exception):
            raise self.reply
        self.followed.append((job_id, events))
        self.channels.append(channel)
        return self.reply


def is_woken(watch: Watch) -> bool:
    return watch._heard.is_set()


def make() -> tuple[WakeUps, _Writer]:
    writer: Any = _Writer()
    return WakeUps(writer), writer


def test_a_wake_up_reaches_the_watches_of_its_job_only() -> None:
    wake_ups, _ = make()
    with wake_ups.watch("a") as first, wake_ups.watch("a") as second, wake_ups.watch("b") as other:
        wake_ups.wake(Change("a", "failed", None))
        assert (is_woken(first), is_woken(second), is_woken(other)) == (True, True, False)
        assert (first.has_ended, other.has_ended) == (True, False)
        wake_ups.wake_all()
        assert is_woken(other) and not other.has_ended
    assert wake_ups._watches == {}


def test_who_waits_for_the_end_sleeps_through_other_changes() -> None:
    wake_ups, _ = make()
    with wake_ups.watch("a") as end, wake_ups.watch("a", every_change=True) as changes:
        for status in ("queued", "running", "cancelling"):
            wake_ups.wake(Change("a", status, None))
        assert (is_woken(end), is_woken(changes)) == (False, True)
        wake_ups.wake(Change("a", "cancelled", None))
        assert is_woken(end)


def test_the_store_is_asked_for_the_end_only_where_that_is_enough() -> None:
    wake_ups, writer = make()
    with wake_ups.watch("a") as end, wake_ups.watch("a", every_change=True) as changes:
        wake_ups.follow(end)
        wake_ups.follow(changes)
    assert writer.channels == [f".{wake_ups.channel}", wake_ups.channel]


def test_processes_have_channels_of_their_own() -> None:
    assert make()[0].channel != make()[0].channel


def test_a_job_is_followed_again_after_its_changes_may_have_been_missed() -> None:
    wake_ups, writer = make()
    with wake_ups.watch("a") as watch:
        assert wake_ups.follow(watch, events=True) and watch.is_followed
        wake_ups.wake_all()
        assert not watch.is_followed
        writer.reply = False
        assert wake_ups.follow(watch) and watch.has_ended
    assert writer.followed == [("a", True), ("a", False)]


def test_a_store_without_writes_lets_nobody_follow_and_one_out_of_reach_is_an_error() -> None:
    wake_ups, writer = make()
    with wake_ups.watch("a") as watch:
        writer.reply = redis.ResponseError("MISCONF Valkey is configured to save, but can't")
        assert not wake_ups.follow(watch)
        writer.reply = redis.ConnectionError("refused")
        with pytest.raises(redis.ConnectionError):
            wake_ups.follow(watch)
        assert not watch.is_followed
