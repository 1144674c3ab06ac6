"""A store whose clock is set, which is frozen, or restarted: no live job feels it, and no time limit is lost."""

import logging
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from contracts.errors import RateLimited
from contracts.jobs import Claim
from contracts.limits import Meter
from contracts.settings import StoreSettings
from contracts.store.clock import TOLERANCE_S, StoreClock, steady_s, store_time
from contracts.store.keys import PREFIX
from contracts.store.queues.admission import Admission
from contracts.store.reaper import Reaper
from contracts.store.redis_client import connect
from contracts.store.scripts import load_script
from tests.redis.builders import ANSWER, TENANT, all_at_once, claimed, new_job, status, submit
from tests.support.job_store import JobStore
from tests.support.stepping_clock import SteppingClock
from tests.support.valkey import ValkeyServer, running_valkey
from tests.support.waiting import wait_until

STEPS_S = [1200, -1200]
SETTINGS = StoreSettings(lease_s=4.0)
NUM_JOBS = 31


@pytest.fixture
def server(tmp_path: Path, clock: SteppingClock) -> Iterator[ValkeyServer]:
    """A store whose clock the test sets."""
    with running_valkey(tmp_path / "valkey", environment=clock.environment) as running:
        yield running


@pytest.fixture
def client(server: ValkeyServer) -> Iterator[redis.Redis]:
    """A client that gives up soon, as those of workers and gateways."""
    connected = connect(server.url, timeout_s=0.5, retries=1, max_connections=64)
    yield connected
    connected.close()
    connected.connection_pool.disconnect()


@pytest.fixture
def store(client: redis.Redis) -> JobStore:
    """A store with leases that are over soon."""
    return JobStore(client, SETTINGS)


def set_clock(store: JobStore, clock: SteppingClock, step_s: int) -> None:
    """Set the store's clock, once, and return when it tells the new time."""
    before = store.client.time()[0]
    clock.set(step_s)
    wait_until(lambda: abs(store.client.time()[0] - before) > abs(step_s) / 2, "the clock was not set")


def reaper(store: JobStore) -> Reaper:
    """Return a reaper that has looked once."""
    found = Reaper(store.client, SETTINGS)
    found.reap()
    return found


def num_crashes(store: JobStore, claims: list[Claim]) -> int:
    """Return how many crashes these jobs are blamed for, all together."""
    return sum(store.read(claim.id, TENANT).crashes for claim in claims)


class Heartbeat:
    """Renews the leases of a worker as its heartbeat process does, whether or not the store answers."""

    def __init__(self, store: JobStore, claims: list[Claim]) -> None:
        self._store, self._claims = store, claims
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._loop)

    def _loop(self) -> None:
        while not self._stop.wait(SETTINGS.lease_s / 3):
            try:
                self._store.renew_leases([(claim.id, claim.attempt) for claim in self._claims])
            except redis.RedisError:
                continue

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()


@pytest.mark.parametrize("step_s", STEPS_S)
def test_no_job_feels_a_step_that_many_reapers_see(
    store: JobStore, clock: SteppingClock, step_s: int, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    reapers = [reaper(store) for _ in range(8)]
    queued, running = submit(store), [claimed(store) for _ in range(NUM_JOBS)]
    before = store_time(store.client)
    set_clock(store, clock, step_s)
    for _ in range(3):
        all_at_once(len(reapers), lambda index: reapers[index].reap())
    assert status(store, queued) == "queued"
    assert {status(store, claim.id) for claim in running} == {"running"}
    assert num_crashes(store, running) == 0
    assert abs(store_time(store.client) - before) < 60, "time goes on as before"
    assert [record.getMessage() for record in caplog.records].count("the store's clock was set") == 1


@pytest.mark.parametrize("step_s", STEPS_S)
def test_after_a_step_deadlines_and_leases_run_out_as_before(
    store: JobStore, clock: SteppingClock, step_s: int
) -> None:
    looks = reaper(store)
    late, dead = submit(store, deadline_s=2.0), claimed(store)
    set_clock(store, clock, step_s)

    def noticed() -> bool:
        looks.reap()
        return status(store, late) == "expired" and status(store, dead.id) == "queued"

    wait_until(noticed, "a step hides a deadline or a death", timeout_s=60)
    assert num_crashes(store, [dead]) == 1


@pytest.mark.parametrize("step_s", STEPS_S)
def test_a_reaper_that_starts_after_a_step_leaves_it_to_those_that_know(
    store: JobStore, clock: SteppingClock, step_s: int
) -> None:
    knows = reaper(store)
    running, before = claimed(store), store_time(store.client)
    set_clock(store, clock, step_s)
    new = Reaper(store.client, SETTINGS)
    new.reap()
    assert status(store, running.id) == "running"
    knows.reap()
    for either in (new, knows, new, knows):
        either.reap()
    assert status(store, running.id) == "running"
    assert abs(store_time(store.client) - before) < 60


def test_what_happens_between_a_step_back_and_its_correction_is_written_in_the_right_time(
    store: JobStore, clock: SteppingClock
) -> None:
    looks = reaper(store)
    running, ending = claimed(store), claimed(store, ttl_s=60.0)
    set_clock(store, clock, -1200)
    submitted = submit(store, deadline_s=60.0)
    store.renew_leases([(running.id, running.attempt)])
    assert store.succeed(ending, ANSWER)
    for _ in range(3):
        looks.reap()
    assert (status(store, submitted), status(store, running.id)) == ("queued", "running")
    assert status(store, ending.id) == "succeeded"
    assert num_crashes(store, [running]) == 0


def test_time_goes_on_if_the_clock_was_set_back_while_nobody_reaped(store: JobStore, clock: SteppingClock) -> None:
    reaper(store)
    before = store_time(store.client)
    set_clock(store, clock, -1200)
    new = Reaper(store.client, SETTINGS)

    def goes_on() -> bool:
        new.reap()
        return before + 0.5 < store_time(store.client) < before + 600

    wait_until(goes_on, "time stands still", timeout_s=30)


def test_a_step_between_the_look_and_the_reap_does_no_harm(
    store: JobStore, clock: SteppingClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = reaper(store)
    queued, running = submit(store), claimed(store)
    check = StoreClock.check

    def check_and_step(self: StoreClock) -> float | None:
        now = check(self)
        set_clock(store, clock, 1200)
        return now

    with monkeypatch.context() as patch:
        patch.setattr(StoreClock, "check", check_and_step)
        looks.reap()
    looks.reap()
    looks.reap()
    assert (status(store, queued), status(store, running.id)) == ("queued", "running")


def test_of_many_that_have_seen_the_same_step_one_corrects_it(store: JobStore) -> None:
    correct = load_script(store.client, "clock")
    assert [correct(args=[b"", 1200.0]) for _ in range(3)] == [1, 0, 0]
    assert [correct(args=[b"-1200.000000", -600.0]) for _ in range(3)] == [1, 0, 0]
    assert store.client.get(f"{PREFIX}clock") == b"-600.000000"


@pytest.mark.parametrize("text", ["", "yesterday", "nan", "inf"])
def test_a_key_that_somebody_has_spoiled_is_mended(store: JobStore, text: str) -> None:
    store.client.set(f"{PREFIX}clock", "-1200.0")  # as it is after a step
    store.client.set(f"{PREFIX}reaped_at", f"{store.client.time()[0] - 1200}")
    looks = reaper(store)
    queued, before = submit(store), store_time(store.client)
    for key in ("clock", "reaped_at", "grace_until", "reaper"):
        store.client.set(f"{PREFIX}{key}", text)
    for _ in range(3):
        looks.reap()
    assert status(store, queued) == "queued"
    assert abs(store_time(store.client) - before) < 60


def test_looks_that_are_hours_apart_see_no_step_in_a_drift(store: JobStore) -> None:
    """A reaper was stopped for ten hours, and alone. Its machine's clock is slower than the store's."""
    now = [steady_s()]
    clock = StoreClock(store.client, lambda: now[0])
    clock.check()
    store.client.set(f"{PREFIX}clock", "36003.0")
    now[0] += 36_000
    assert clock.check() is not None
    assert store.client.get(f"{PREFIX}clock") == b"36003.0"


def test_a_machine_that_stood_still_does_not_set_the_time_of_others(store: JobStore) -> None:
    standing = steady_s()
    stood_still = StoreClock(store.client, lambda: standing)
    stood_still.check()
    others = reaper(store)
    store.client.set(f"{PREFIX}clock", "600.000000")  # as if ten minutes had passed for all others
    store.client.set(f"{PREFIX}reaped_at", f"{store_time(store.client):.6f}")
    stood_still.check()
    assert store.client.get(f"{PREFIX}clock") == b"600.000000"
    del others


def test_three_outages_book_no_crash_on_jobs_of_living_workers(store: JobStore, server: ValkeyServer) -> None:
    looks = reaper(store)
    running = [claimed(store) for _ in range(NUM_JOBS)]
    looks.start()
    with Heartbeat(store, running):
        for _ in range(3):
            server.freeze()
            time.sleep(SETTINGS.lease_s + 1.5)
            server.thaw()
            thawed = store_time(store.client)
            wait_until(lambda since=thawed: _reaped_at(store) > since, "the reaper does not come back")
    looks.stop()
    assert num_crashes(store, running) == 0
    assert {status(store, claim.id) for claim in running} == {"running"}


def _reaped_at(store: JobStore) -> float:
    return float(store.client.get(f"{PREFIX}reaped_at") or 0)


@pytest.mark.parametrize("step_s", [0, 1200])
def test_a_restart_on_another_clock_extends_leases_and_not_deadlines(
    store: JobStore, server: ValkeyServer, clock: SteppingClock, step_s: int
) -> None:
    looks = reaper(store)
    running = [claimed(store) for _ in range(3)]
    late = submit(store, deadline_s=1.0)
    server.stop()
    time.sleep(SETTINGS.lease_s + 1)
    clock.set(step_s)
    server.start()
    for _ in range(3):
        looks.reap()
    assert {status(store, claim.id) for claim in running} == {"running"}
    assert status(store, late) == "expired"

    def taken() -> bool:
        looks.reap()
        return {status(store, claim.id) for claim in running} == {"queued"}

    wait_until(taken, "a worker that did not come back has its jobs for ever")


def test_a_frozen_reaper_is_no_outage(store: JobStore, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    frozen, other = reaper(store), reaper(store)
    until = time.monotonic() + SETTINGS.lease_s / 3 + TOLERANCE_S
    while time.monotonic() < until:
        other.reap()
        time.sleep(0.1)
    frozen.reap()
    assert store.client.get(f"{PREFIX}grace_until") is None
    assert not caplog.records


@pytest.mark.parametrize("step_s", STEPS_S)
def test_a_process_that_starts_before_a_step_is_corrected_takes_the_time_of_the_others(
    store: JobStore, clock: SteppingClock, step_s: int
) -> None:
    """Its first look is by the wrong clock. By its second one the others have put it right, and it leaves that."""
    job_id = submit(store, deadline_s=600)
    others, newcomer = reaper(store), Reaper(store.client, SETTINGS)
    set_clock(store, clock, step_s)
    newcomer.reap()
    others.reap()
    right = store.client.get(f"{PREFIX}clock")
    others.reap()
    for _ in range(3):
        newcomer.reap()
        others.reap()
    assert store.client.get(f"{PREFIX}clock") == right
    assert status(store, job_id) == "queued"


def test_an_outage_in_the_first_second_of_a_store_is_noticed(store: JobStore, server: ValkeyServer) -> None:
    """Nobody has reaped before, so nothing says when the store was there last."""
    claims = [claimed(store)]
    server.freeze()
    threading.Event().wait(SETTINGS.lease_s + 0.5)  # the fault itself
    server.thaw()
    Reaper(store.client, SETTINGS).reap()
    assert num_crashes(store, claims) == 0


@pytest.mark.parametrize("step_s", STEPS_S)
def test_rates_go_on_by_the_time_before_the_step(store: JobStore, clock: SteppingClock, step_s: int) -> None:
    looks = reaper(store)
    limits = Admission(meters=(Meter(f"requests:tenant:{TENANT}", 4, 1.0),))
    for _ in range(4):
        store.submit(new_job(), limits)
    set_clock(store, clock, step_s)
    looks.reap()
    with pytest.raises(RateLimited) as refused:
        store.submit(new_job(), limits)
    assert 0 < (refused.value.retry_after_s or 0) <= 15


@pytest.mark.parametrize("step_s", STEPS_S)
def test_a_request_before_a_step_is_corrected_stops_its_tenant_for_no_longer(
    store: JobStore, clock: SteppingClock, step_s: int
) -> None:
    looks = reaper(store)
    limits = Admission(meters=(Meter(f"requests:tenant:{TENANT}", 4, 1.0),))
    set_clock(store, clock, step_s)
    for _ in range(4):
        store.submit(new_job(), limits)
    looks.reap()

    def accepted() -> bool:
        try:
            store.submit(new_job(), limits)
        except RateLimited as error:
            assert error.retry_after_s is not None and error.retry_after_s <= 16
            return False
        return True

    wait_until(accepted, "the step stops a tenant", timeout_s=60)
