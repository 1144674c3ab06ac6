"""A worker that one flow fills still takes jobs of others, and asks for them only when there may be some."""

import threading
from collections.abc import Iterator

import pytest

from contracts.jobs import LANES, OPEN_TENANT
from contracts.store.attempts.outcomes import stopped
from tests.support.attempts import make_attempt
from tests.support.waiting import PATIENCE_S, wait_until
from tests.unit.attempts.conftest import MAX_JOBS, NUM_THREADS, MakeIntake
from tests.unit.attempts.fakes import BUDGET_BYTES, NEWCOMERS, QUEUE, FakeEngine, FakeModel, FakeStore, Gate
from workers.runtime.attempts import running_jobs
from workers.runtime.attempts.attempt import Attempt
from workers.runtime.attempts.ended import Ended, EndedJobs
from workers.runtime.attempts.intake import Intake
from workers.runtime.attempts.places import MAX_IN_POOL, MAX_NEWCOMERS, RESERVED_PLACES

QUIET_S = 0.3
"""Three times as long as a worker waits between its looks at jobs in hand."""


class Flooded:
    """An intake whose engine has enough of tenant ``a``. All jobs wait until the test ends."""

    def __init__(self, intake: Intake, store: FakeStore, model: FakeModel, engine: FakeEngine) -> None:
        self.intake, self.store, self.model, self.engine = intake, store, model, engine
        model.wait_for(Gate())
        for _ in range(100):
            store.add("a")
        engine.wanted = 6
        self._take(6)

    def _take(self, num_jobs: int) -> None:
        """Let the engine want jobs until it has so many more."""
        before = len(self.model.begun)

        async def wait(attempt: Attempt) -> None:
            self.engine.wanted -= 1
            await Gate().wait(attempt)

        self.model.behave = wait
        self.intake.wake(QUEUE)
        wait_until(lambda: len(self.model.begun) == before + num_jobs, "the jobs were not taken")
        wait_until(lambda: not self.intake.has_room, "there is room for all")
        assert self.intake.has_room_for_newcomers
        self.engine.wanted = 0

    def tenants(self) -> list[str]:
        return [attempt.claim.tenant for attempt in self.model.begun]

    def submit(self, tenant: str) -> str:
        """Submit the first job of a flow: a message says that there are newcomers."""
        job_id = self.store.add(tenant)
        self.intake.wake(NEWCOMERS)
        return job_id

    def let_begin(self, tenant: str) -> None:
        """Let the jobs of a tenant be in a model call; the engine says that it has fewer that wait."""
        self.model.in_calls |= {attempt for attempt in self.model.begun if attempt.claim.tenant == tenant}
        self.engine.tell()

    def num_calls_when_quiet(self) -> int:
        """Return how many calls were made once none is made any more."""
        stopped = threading.Event()
        while True:
            num_calls = len(self.store.calls)
            stopped.wait(QUIET_S)
            if len(self.store.calls) == num_calls and self.intake._inbox.is_empty:
                return num_calls


@pytest.fixture
def flooded(intake: Intake, store: FakeStore, model: FakeModel, engine: FakeEngine) -> Flooded:
    return Flooded(intake, store, model, engine)


def test_a_newcomer_is_taken_although_the_engine_has_enough(flooded: Flooded) -> None:
    flooded.submit("b")
    wait_until(lambda: "b" in flooded.tenants(), "the newcomer waits behind the flood")
    assert flooded.tenants() == ["a"] * 6 + ["b"]


def test_a_worker_beside_a_flood_asks_only_when_there_may_be_newcomers(flooded: Flooded) -> None:
    before = flooded.num_calls_when_quiet()
    for _ in range(100):
        flooded.store.add("a")
        flooded.intake.wake(QUEUE)
        flooded.engine.tell()
    assert flooded.num_calls_when_quiet() == before, "it asks for what it would pass by"
    flooded.submit("b")
    wait_until(lambda: "b" in flooded.tenants(), "the newcomer waits")
    flooded.let_begin("b")
    assert flooded.num_calls_when_quiet() <= before + 2
    assert flooded.intake.has_room_for_newcomers and not flooded.intake.has_room


def test_a_newcomer_is_taken_beside_jobs_that_have_begun_and_have_more_to_run(flooded: Flooded) -> None:
    flooded.engine.waiting = {("default", "a")}
    flooded.let_begin("a")
    flooded.num_calls_when_quiet()
    flooded.submit("b")
    wait_until(lambda: "b" in flooded.tenants(), "the newcomer waits behind the flood")
    assert flooded.tenants() == ["a"] * 6 + ["b"]


def test_of_a_newcomer_with_many_jobs_the_next_come_once_the_first_have_begun(flooded: Flooded) -> None:
    for _ in range(3 * MAX_NEWCOMERS):
        flooded.store.add("b")
    flooded.intake.wake(NEWCOMERS)
    for num_rounds in (1, 2):
        wait_until(lambda: "b" in flooded.tenants(), "the newcomer's jobs are not taken")
        flooded.num_calls_when_quiet()
        assert flooded.tenants().count("b") == num_rounds * MAX_NEWCOMERS
        flooded.let_begin("b")
    assert flooded.tenants().count("a") == 6


def test_a_job_that_comes_while_another_one_of_its_flow_waits_here_is_not_forgotten(flooded: Flooded) -> None:
    flooded.submit("b")
    wait_until(lambda: "b" in flooded.tenants(), "the newcomer waits")
    flooded.submit("b")
    flooded.num_calls_when_quiet()
    assert flooded.tenants().count("b") == 1
    flooded.let_begin("b")
    wait_until(lambda: flooded.tenants().count("b") == 2, "the second job was forgotten")


def test_a_call_that_is_made_for_outcomes_looks_for_newcomers_too(
    intake: Intake, store: FakeStore, model: FakeModel, engine: FakeEngine
) -> None:
    gate, engine.wanted = Gate(), 2

    async def wait(attempt: Attempt) -> None:
        engine.wanted = 0
        await (gate if attempt is model.begun[0] else Gate()).wait(attempt)

    model.behave = wait
    store.add("b")
    for _ in range(9):
        store.add("a")
    intake.wake(QUEUE)
    wait_until(lambda: len(model.begun) == 2, "the jobs were not taken")
    store.add("b")
    num_calls = len(store.calls)
    gate.open()
    wait_until(lambda: len(model.begun) == 3, "there was no look for newcomers")
    assert [attempt.claim.tenant for attempt in model.begun] == ["b", "a", "b"]
    assert len(store.calls) == num_calls + 1


def test_some_places_are_for_flows_that_hold_few(make_intake: MakeIntake, store: FakeStore, model: FakeModel) -> None:
    """However many of a flow's jobs have begun: it may not have those places one by one."""
    intake = make_intake(max_jobs=64)
    model.wait_for(Gate())
    for _ in range(100):
        store.add("a")
    intake.wake(QUEUE)
    wait_until(lambda: len(model.begun) == 64 - RESERVED_PLACES and not intake.has_room, "the worker is not full")
    model.in_calls |= set(model.begun)
    for tenant in "bcde":
        store.add(tenant)
        store.add(tenant)
    intake.wake(NEWCOMERS)
    wait_until(lambda: len(model.begun) == 64, "the places stay empty")
    held = [attempt.claim.tenant for attempt in model.begun]
    assert held.count("a") == 64 - RESERVED_PLACES
    assert not intake.has_room_for_newcomers


@pytest.mark.parametrize(("tenant", "num_jobs"), [("a", 60), (OPEN_TENANT, 64)], ids=["keyed", "open"])
def test_a_tenant_has_not_all_of_these_places_lane_by_lane(
    make_intake: MakeIntake, store: FakeStore, model: FakeModel, tenant: str, num_jobs: int
) -> None:
    """In an open gateway, whose clients are one tenant, each lane is like one."""
    intake = make_intake(max_jobs=64)

    async def wait(attempt: Attempt) -> None:
        model.in_calls.add(attempt)
        await Gate().wait(attempt)

    model.behave = wait
    for _ in range(100):
        store.add(tenant, lane="bulk")
    intake.wake(QUEUE)
    wait_until(lambda: len(model.begun) == 64 - RESERVED_PLACES and not intake.has_room, "the worker is not full")
    for lane in ("interactive", "default") * RESERVED_PLACES:
        store.add(tenant, lane=lane)
    intake.wake(NEWCOMERS)
    wait_until(lambda: len(model.begun) >= num_jobs, "its other lanes can't use these places")
    store.add("b")
    intake.wake(NEWCOMERS)
    wait_until(lambda: tenant == OPEN_TENANT or model.begun[-1].claim.tenant == "b", "all places are one tenant's")
    assert sum(attempt.claim.tenant == tenant for attempt in model.begun) == num_jobs


def test_the_last_places_are_for_newcomers_if_many_flows_hold_little(
    intake: Intake, store: FakeStore, model: FakeModel
) -> None:
    """None of the flows is large by itself, and all of their jobs have begun."""
    model.wait_for(Gate())
    for _ in range(9):
        for tenant in "abcdef":
            store.add(tenant)
    intake.wake(QUEUE)
    wait_until(lambda: len(model.begun) == MAX_JOBS * 3 // 4 and not intake.has_room, "the worker is not full")
    model.in_calls |= set(model.begun)
    newcomer = store.add("z")
    intake.wake(NEWCOMERS)
    wait_until(lambda: len(model.begun) > MAX_JOBS * 3 // 4, "the places stay empty")
    assert model.begun[-1].claim.id == newcomer


def test_some_memory_is_for_flows_that_hold_little(intake: Intake, store: FakeStore, model: FakeModel) -> None:
    model.wait_for(Gate())
    for _ in range(20):
        store.add("a", num_bytes=BUDGET_BYTES // 20)
    intake.wake(QUEUE)
    wait_until(lambda: len(model.begun) == 7 and not intake.has_room, "the memory is not used")
    model.in_calls |= set(model.begun)
    newcomer = store.add("b", num_bytes=BUDGET_BYTES // 20)
    intake.wake(NEWCOMERS)
    wait_until(lambda: len(model.begun) == 8, "the newcomer waits for memory")
    assert model.begun[-1].claim.id == newcomer


class LongTexts:
    """Jobs that keep their threads of the pool; those of tenant ``b`` end at once."""

    def __init__(self, model: FakeModel) -> None:
        self.may_end = threading.Event()
        self.num_running = 0
        model.behave = self._work

    async def _work(self, attempt: Attempt) -> None:
        if attempt.claim.tenant != "b":
            self.num_running += 1
            assert self.may_end.wait(PATIENCE_S)


@pytest.fixture
def long_texts(model: FakeModel, monkeypatch: pytest.MonkeyPatch) -> Iterator[LongTexts]:
    monkeypatch.setattr(running_jobs, "QUICK_BYTES", 0)
    texts = LongTexts(model)
    yield texts
    texts.may_end.set()


def test_a_thread_of_the_pool_is_for_others_than_the_flow_that_fills_it(
    intake: Intake, store: FakeStore, long_texts: LongTexts
) -> None:
    for _ in range(2 * MAX_IN_POOL):
        store.add("a", num_bytes=1)
    intake.wake(QUEUE)
    wait_until(lambda: long_texts.num_running == NUM_THREADS - 1 and not intake.has_room, "the pool is not in use")
    assert len(store.queued) >= MAX_IN_POOL
    ids = [store.add("b", num_bytes=1) for _ in range(5)]
    intake.wake(NEWCOMERS)
    wait_until(lambda: set(ids) <= store.statuses().keys(), "short work waits behind long texts")
    assert long_texts.num_running == NUM_THREADS - 1


@pytest.mark.parametrize(
    ("tenant", "num_threads"), [("a", NUM_THREADS - 1), (OPEN_TENANT, NUM_THREADS)], ids=["keyed", "open"]
)
def test_a_thread_of_the_pool_is_for_others_than_the_tenant_whose_lanes_fill_it(
    intake: Intake, store: FakeStore, long_texts: LongTexts, tenant: str, num_threads: int
) -> None:
    """In an open gateway, whose clients are one tenant, it is for another lane than the one that fills it."""
    for lane in LANES:
        for _ in range(NUM_THREADS):
            store.add(tenant, lane=lane, num_bytes=1)
    intake.wake(QUEUE)
    wait_until(lambda: long_texts.num_running == num_threads, "the pool is not in use")
    ids = [store.add("b", num_bytes=1) for _ in range(5)]
    intake.wake(NEWCOMERS)
    wait_until(lambda: tenant == OPEN_TENANT or set(ids) <= store.statuses().keys(), "short work waits")
    assert long_texts.num_running == num_threads


def test_the_first_outcome_of_a_flow_does_not_wait_for_all_of_another_one() -> None:
    ended = EndedJobs()

    def end(tenant: str) -> Ended:
        attempt = make_attempt(tenant=tenant)
        return Ended(attempt, stopped(attempt.claim))

    flood, single = [end("a") for _ in range(50)], end("b")
    ended.add([*flood, single])
    assert ended.next(3) == [flood[0], single, flood[1]]
    ended.put_back()
    assert ended.next(2) == [single, flood[1]]
    ended.remove(2)
    ended.add([end("a"), again := end("b")])
    assert ended.next(2) == [again, flood[2]] and len(ended) == 51
