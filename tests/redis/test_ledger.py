"""The ledger: each job counts once, for its tenant, key, model and day, in bounded space."""

from collections.abc import Callable
from datetime import date, timedelta

import pytest

from contracts.errors import TriptychError
from contracts.jobs import Answer
from contracts.price.estimate import Consumed
from contracts.settings import StoreSettings
from contracts.store.attempts.outcomes import succeeded
from contracts.store.keys import PREFIX
from contracts.store.reaper import MAX_POSTED, Reaper
from contracts.store.tenants.usage import Counts, Entry, UsageReader
from tests.redis.builders import (
    MODEL,
    QUEUE,
    TENANT,
    all_at_once,
    claim,
    claimed,
    come_due,
    pass_deadline,
    submit,
)
from tests.scale.meter import MAX_COMMANDS, Meter
from tests.support.job_store import JobStore
from tests.support.store_time import DAY_S, begin_day, day_number, let_pass, today

KEY = "0123456789abcdef"
OUTPUT = b'"' + b"a" * 2000 + b'"'
ANSWER = Answer(output=OUTPUT, usage=b"{}", timings=b"{}", model_revision="r")


@pytest.fixture
def store(store: JobStore) -> JobStore:
    """A store whose day has just begun."""
    begin_day(store.client)
    return store


def post(store: JobStore) -> None:
    """Do what the reaper does each second."""
    Reaper(store.client, StoreSettings()).post_ledger()


def entries(store: JobStore, *tenants: str) -> list[Entry]:
    end = today(store.client)
    return list(UsageReader(store.client).entries(tenants or [TENANT], end - timedelta(days=500), end))


def total(store: JobStore, *tenants: str) -> Counts:
    return sum((entry.counts for entry in entries(store, *tenants)), Counts())


def test_a_job_counts_with_all_that_it_took(store: JobStore) -> None:
    job_id = submit(store, price_s=3.0, key_id=KEY, request=b"x" * 700)
    store.succeed(claim(store, job_id), ANSWER, Consumed(2.5, 40, 50))
    expected = Counts(
        succeeded=1, tokens_in=40, tokens_out=50, work_us=2_500_000, estimated_us=3_000_000, bytes_in=700,
        bytes_out=len(OUTPUT),
    )  # fmt: skip
    for _ in range(3):
        (entry,) = entries(store)
        assert (entry.tenant, entry.key, entry.model, entry.counts) == (TENANT, KEY, MODEL, expected)
        post(store)


def _expire(store: JobStore) -> None:
    pass_deadline(store, submit(store))
    store.reap()


def _lose_its_worker(store: JobStore) -> None:
    job_id = submit(store)
    for _ in range(12):
        store.turn("w1", sources=[f"{QUEUE}.suspect", QUEUE])
        come_due(store, job_id)
        store.reap()
        if store.read(job_id, TENANT).finished:
            return


def _cancel_while_it_runs(store: JobStore) -> None:
    taken = claimed(store)
    store.cancel(taken.id, TENANT)
    store.succeed(taken, ANSWER)


ENDS: dict[str, tuple[Callable[[JobStore], object], Counts]] = {
    "cancelled in the queue": (lambda store: store.cancel(submit(store), TENANT), Counts(cancelled=1)),
    "deleted in the queue": (lambda store: store.delete(submit(store), TENANT), Counts(cancelled=1)),
    "deleted while it runs": (lambda store: store.delete(claimed(store).id, TENANT), Counts(cancelled=1)),
    "cancelled while it runs": (_cancel_while_it_runs, Counts(cancelled=1)),
    "failed": (lambda store: store.fail(claimed(store), TriptychError()), Counts(failed=1)),
    "lost its workers": (_lose_its_worker, Counts(failed=1)),
    "expired": (_expire, Counts(expired=1)),
}


@pytest.mark.parametrize("end", ENDS)
def test_every_end_counts_once(store: JobStore, end: str) -> None:
    finish, expected = ENDS[end]
    finish(store)
    found = total(store)
    ends = Counts(found.succeeded, found.failed, found.cancelled, found.expired)
    assert ends == expected
    store.reap()
    store.reap()
    assert total(store) == found


def test_work_that_nobody_measured_is_what_was_estimated_unless_the_job_never_ran(store: JobStore) -> None:
    store.cancel(submit(store, price_s=5.0), TENANT)
    assert total(store).work_us == 0
    store.delete(claimed(store, price_s=7.0).id, TENANT)
    assert total(store).work_us == 7_000_000
    assert total(store).estimated_us == 12_000_000


def test_a_call_that_is_sent_again_counts_once(store: JobStore) -> None:
    taken = claimed(store)
    outcome = succeeded(taken, ANSWER)
    for _ in range(3):
        store.turn("w1", [outcome])
        store.cancel(taken.id, TENANT)
    assert total(store).num_jobs == 1


def test_of_many_processes_that_end_a_job_one_counts(store: JobStore) -> None:
    jobs = [claimed(store) for _ in range(4)]
    pass_deadline(store, *(one.id for one in jobs))

    def end(index: int) -> None:
        if index % 2:
            store.reap()
        else:
            store.turn("w1", [succeeded(one, ANSWER) for one in jobs])

    all_at_once(8, end)
    assert total(store).num_jobs == 4


def test_reapers_that_post_at_once_lose_and_double_nothing(store: JobStore) -> None:
    for number in range(2 * MAX_POSTED):
        store.cancel(submit(store, model=f"m{number}", tenant=f"t{number % 7}"), f"t{number % 7}")

    def work(index: int) -> None:
        if index:
            post(store)
        else:
            for _ in range(20):
                store.cancel(submit(store, tenant="t0", model="m0"), "t0")

    all_at_once(5, work)
    post(store)
    assert store.client.hlen(f"{PREFIX}ledger") == 0
    assert total(store, *(f"t{number}" for number in range(7))).cancelled == 2 * MAX_POSTED + 20


def test_sums_never_tear_while_entries_are_posted(store: JobStore) -> None:
    for number in range(120):
        store.cancel(submit(store, model=f"m{number}"), TENANT)

    def work(index: int) -> list[int]:
        if index:
            return [total(store).cancelled for _ in range(8)]
        post(store)
        return []

    assert {count for counts in all_at_once(4, work) for count in counts} == {120}


def test_a_tenant_whose_first_entry_is_posted_meanwhile_is_there(store: JobStore) -> None:
    def work(index: int) -> list[str]:
        if index:
            return UsageReader(store.client).tenants(date(2020, 1, 1))
        post(store)
        return [tenant]

    for number in range(300):
        tenant = f"t{number}"
        store.client.delete(f"{PREFIX}ledger", f"{PREFIX}usage_tenants")
        store.cancel(submit(store, tenant=tenant), tenant)
        assert all_at_once(2, work) == [[tenant]] * 2


def test_days_are_those_of_the_stores_clock(store: JobStore) -> None:
    store.cancel(submit(store), TENANT)
    let_pass(store.client, 3 * DAY_S)
    store.cancel(submit(store), TENANT)
    post(store)
    first, second = sorted(entry.day for entry in entries(store))
    assert second - first == timedelta(days=3)
    only_second = UsageReader(store.client).entries([TENANT], second, second)
    assert [entry.counts.cancelled for entry in only_second] == [1]


def test_an_account_has_a_bounded_number_of_entries(store: JobStore) -> None:
    """However many models and keys a tenant uses."""
    day = day_number(store.client)
    store.client.hset(
        f"{PREFIX}usage:{day}:{TENANT}", mapping={f"|m{number}": "1 0 0 0 0 0 0 0 0 0" for number in range(1000)}
    )
    for number in range(5):
        store.cancel(submit(store, model=f"new{number}"), TENANT)
    store.cancel(submit(store, model="m7"), TENANT)
    post(store)
    assert store.client.hlen(f"{PREFIX}usage:{day}:{TENANT}") == 1001
    by_model = {entry.model: entry.counts for entry in entries(store)}
    assert by_model[""] == Counts(cancelled=5, bytes_in=by_model[""].bytes_in)
    assert by_model["m7"].cancelled == 1 and total(store).num_jobs == 1006


def test_accounts_are_kept_for_400_days_and_their_tenants_are_forgotten_with_them(store: JobStore) -> None:
    store.cancel(submit(store, tenant="old"), "old")
    post(store)
    (account,) = store.client.scan_iter(f"{PREFIX}usage:*")
    assert 400 * DAY_S < store.client.ttl(account) <= 401 * DAY_S
    for days, known in ((399, ["new", "old"]), (3, ["new"])):
        let_pass(store.client, days * DAY_S)
        store.cancel(submit(store, tenant="new"), "new")
        post(store)
        assert UsageReader(store.client).tenants(date(2020, 1, 1)) == known


def test_an_account_that_somebody_has_written_over_stops_nobody(store: JobStore) -> None:
    day = day_number(store.client)
    store.client.set(f"{PREFIX}usage:{day}:{TENANT}", "what is this")
    store.client.hset(f"{PREFIX}ledger", "nonsense", "1 2 3")
    store.cancel(submit(store), TENANT)
    store.cancel(submit(store, tenant="other"), "other")
    post(store)
    assert store.client.hlen(f"{PREFIX}ledger") == 0
    assert total(store, "other").cancelled == 1


def test_posting_is_cut_into_short_calls(store: JobStore) -> None:
    for number in range(100):
        store.cancel(submit(store, model=f"m{number}", tenant=f"t{number}", key_id=f"{number:016x}"), f"t{number}")
        for owner in (f"tenant:t{number}", f"key:{number:016x}"):
            store.client.set(f"{PREFIX}rate:work:{owner}", "1 0 60")
    meter = Meter(store.client)
    with meter.measure("posting"):
        post(store)
    (cost,) = meter.costs()
    assert cost.num_calls >= 3 and cost.max_commands <= MAX_COMMANDS


def test_posting_goes_on_until_nothing_is_left(store: JobStore) -> None:
    """Of thousands of entries, too: many tenants, or a store that nobody has reaped for long."""
    day = day_number(store.client)
    names = [f"{day}|t{number}|k|{MODEL}" for number in range(3000)]
    store.client.hset(f"{PREFIX}ledger", mapping=dict.fromkeys(names, "1 0 0 0 1 1 1 1 1 1"))
    reaper = Reaper(store.client, StoreSettings())
    for _ in range(5):
        reaper.post_ledger()
    assert store.client.hlen(f"{PREFIX}ledger") == 0
    assert total(store, "t2999").succeeded == 1


@pytest.mark.parametrize(
    "text", ["1 1 0", "1 1 nan", "1 1 inf", "nan 1 60", "inf 1 60", "1e300 1 1e-300", "1e12 1 1e-300", "1 1 -5"]
)
def test_a_broken_meter_does_not_let_jobs_count_again(store: JobStore, text: str) -> None:
    store.client.set(f"{PREFIX}rate:work:tenant:{TENANT}", text)
    assert store.succeed(claimed(store, price_s=1.0), ANSWER, Consumed(2.0, 1, 1))
    for _ in range(3):
        post(store)
    assert total(store).succeeded == 1 and store.client.hlen(f"{PREFIX}ledger") == 0
