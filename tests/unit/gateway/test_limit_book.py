"""Limits of tenants are read once in a while, by one request, and new ones hold after that."""

from typing import Any

import gevent
import msgspec
import pytest
import redis

from contracts.limits import TenantLimits
from services.gateway.limits import book as module
from services.gateway.limits.book import CACHE_S, LimitBook
from services.gateway.tenant_settings import LIMITS, TenantSettings


class _Stored:
    def __init__(self) -> None:
        self.max_active = 5
        self.num_reads = 0
        self.answers = True

    def of(self, tenant: str) -> TenantLimits:
        self.num_reads += 1
        found = TenantLimits(max_active=self.max_active)
        gevent.sleep(0.01)
        if not self.answers:
            raise redis.ConnectionError("refused")
        return found


class _NoKeys:
    def verified(self, key_id: str) -> None:
        return None


class _Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> _Clock:
    clock = _Clock()
    monkeypatch.setattr(module, "time", clock)
    return clock


@pytest.fixture
def stored() -> _Stored:
    return _Stored()


@pytest.fixture
def book(stored: _Stored) -> LimitBook:
    fakes: Any = (stored, _NoKeys())
    return LimitBook(TenantSettings(), *fakes)


def test_one_of_many_requests_reads_anew_and_the_others_do_not_wait(
    book: LimitBook, stored: _Stored, clock: _Clock
) -> None:
    assert [book.of("acme", "").max_active for _ in range(2)] == [5, 5]
    assert stored.num_reads == 1
    stored.max_active = 7
    clock.now += CACHE_S
    requests = [gevent.spawn(book.of, "acme", "") for _ in range(9)]
    assert [one.get().max_active for one in requests] == [7, *[5] * 8]
    assert (book.of("acme", "").max_active, stored.num_reads) == (7, 2)


def test_after_a_failed_read_the_next_request_tries_again(book: LimitBook, stored: _Stored, clock: _Clock) -> None:
    book.of("acme", "")
    clock.now += CACHE_S
    stored.answers = False
    with pytest.raises(redis.ConnectionError):
        book.of("acme", "")
    stored.answers, stored.max_active = True, 9
    assert book.of("acme", "").max_active == 9


@pytest.mark.parametrize("name", LIMITS)
def test_what_an_operator_may_set_can_be_read_and_no_nonsense(name: str) -> None:
    least, most = LIMITS[name].least, LIMITS[name].most
    assert least is not None and most is not None
    for value in (least, most):
        assert getattr(msgspec.convert({name: value}, TenantLimits, strict=False), name) == value
    for value in (-1, most + 1):
        with pytest.raises(msgspec.ValidationError):
            msgspec.convert({name: value}, TenantLimits, strict=False)
