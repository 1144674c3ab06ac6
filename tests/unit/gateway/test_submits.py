"""Jobs of several requests go to the store in one call; each request gets its own reply, or the call's error."""

from collections.abc import Sequence
from typing import cast

import gevent
import pytest
import redis

from contracts.errors import QueueFull
from contracts.store.job_writer import MAX_SUBMITS, JobWriter, Submit, SubmitReply
from contracts.store.queues.admission import Admission
from services.gateway.store.submits import MAX_BYTES, Submits
from tests.redis.builders import new_job


class _Writer:
    """Accepts jobs whose task is ``embed``; calls take a turn of the loop, as with a real store."""

    def __init__(self) -> None:
        self.calls: list[int] = []
        self.is_lost = False

    def submit_all(self, submits: Sequence[Submit]) -> list[SubmitReply]:
        self.calls.append(len(submits))
        gevent.sleep(0.01)
        if self.is_lost:
            raise redis.ConnectionError("refused")
        return [
            SubmitReply(
                one, [b"created", one.job.id.encode(), b""] if one.job.task == "embed" else [b"queue_full", b"", b""]
            )
            for one in submits
        ]


def send_all(writer: _Writer, *submits: Submit, large: _Writer | None = None) -> list[SubmitReply | Exception]:
    """Return what as many greenlets get."""
    sender = Submits(cast(JobWriter, writer), large=cast(JobWriter, large or writer))

    def one(submit: Submit) -> SubmitReply | Exception:
        try:
            return sender.send(submit)
        except redis.RedisError as error:
            return error

    greenlets = [gevent.spawn(one, submit) for submit in submits]
    gevent.joinall(greenlets, raise_error=True)
    return [greenlet.value for greenlet in greenlets]


def jobs(number: int, **changes: object) -> list[Submit]:
    """Return jobs to submit."""
    return [Submit(new_job(**changes), Admission()) for _ in range(number)]


def test_jobs_that_come_at_once_share_calls_of_bounded_size() -> None:
    writer = _Writer()
    assert len(send_all(writer, *jobs(2 * MAX_SUBMITS + 3))) == 2 * MAX_SUBMITS + 3
    assert sorted(writer.calls) == [1, 2, MAX_SUBMITS, MAX_SUBMITS]


def test_one_who_is_refused_is_the_only_one() -> None:
    first, good, refused, last = send_all(_Writer(), *jobs(2), *jobs(1, task="classify"), *jobs(1))
    assert isinstance(refused, SubmitReply)
    with pytest.raises(QueueFull):
        refused.accepted()
    assert all(isinstance(reply, SubmitReply) and not reply.accepted().replayed for reply in (first, good, last))


def test_a_large_request_goes_alone() -> None:
    writer, large = _Writer(), _Writer()
    send_all(writer, *jobs(1), *jobs(2), *jobs(2, request=b"x" * (MAX_BYTES + 1)), *jobs(1), large=large)
    assert sorted(writer.calls) == [1, 3] and large.calls == [1, 1]


def test_a_store_that_is_lost_is_an_error_for_all() -> None:
    writer = _Writer()
    writer.is_lost = True
    assert all(isinstance(reply, redis.ConnectionError) for reply in send_all(writer, *jobs(3)))
    writer.is_lost = False
    (reply,) = send_all(writer, *jobs(1))
    assert isinstance(reply, SubmitReply) and writer.calls == [1, 2, 1]
