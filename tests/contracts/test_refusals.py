"""Sentences of refusals: whole seconds, and numbers as people write them."""

import pytest

from contracts.jobs import NewJob
from contracts.limits import Meter, MeterState
from contracts.store.queues.admission import Admission, refusal

JOB = NewJob(
    id="id", tenant="acme", task="embed", model="minilm", request=b"", metadata=b"", num_inputs=1,
    deadline_s=86_400, timeout_s=600, ttl_s=60, price_s=1_234_567.0, least_s=0.00002,
)  # fmt: skip


@pytest.mark.parametrize(("value", "words"), [(b"3250000.1", "3250001 s"), (b"0.184", "1 s"), (b"12.5", "13 s")])
def test_a_client_is_told_whole_seconds(value: bytes, words: str) -> None:
    error = refusal(b"late", value, JOB, Admission(), [])
    assert error.message.endswith(f"Nothing was accepted; try again in {words}.")
    assert error.retry_after_s == float(value)


def test_a_rate_that_has_room_soon_is_told_in_a_whole_second() -> None:
    states = [MeterState(Meter("requests:tenant:acme", 600, 1.0), 600.5)]
    error = refusal(b"rate_limited", b"", JOB, Admission(own_limits={"requests_per_minute"}), states)
    assert error.message == (
        "Too much in too short a time: requests_per_minute of your tenant is 600 (set by 'keys limits --tenant acme'). "
        "Try again in 1 s."
    )


def test_numbers_have_no_exponents() -> None:
    message = refusal(b"unreachable", b"", JOB, Admission(capacity_of_one=0.00001234), []).message
    assert "about 1230000 work-seconds, of which a worker of model minilm does 0.0000123 in a second" in message
    assert "and 0.00002 s to write its longest text" in message
