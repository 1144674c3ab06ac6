"""Gateways, workers, reapers and faults in random order, compared with a model of the expected result.

Hypothesis draws sequences of calls and faults; after each step the store is compared with the model, and at the end
of each sequence every unfinished job must reach its end. `TRIPTYCH_TEST_SEQUENCES` sets how many
sequences are drawn, always the same 250 if it is not set; use 5,000 before a release. If it is set, a failing
sequence is also shortened, which may take minutes.
"""

import os
from collections.abc import Iterator
from typing import Any, ClassVar

import pytest
import redis
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from contracts.errors import IdempotencyMismatch, JobGone, TriptychError
from contracts.jobs import Claim, NewJob
from contracts.settings import StoreSettings
from contracts.store.keys import PREFIX
from tests.redis.builders import (
    ANSWER,
    NO_LIMITS,
    QUEUE,
    SUSPECTS,
    come_due,
    messages,
    new_job,
    pass_deadline,
    take_message,
)
from tests.redis.expected import Expected
from tests.support.job_store import JobStore

MAX_CRASHES = 3
FEW = 4
"""Steps are drawn for a few jobs at a time, so that several concern the same one."""
NUM_SEQUENCES = int(os.environ.get("TRIPTYCH_TEST_SEQUENCES", "0"))
PHASES = [Phase.explicit, Phase.reuse, Phase.generate, *([Phase.shrink] if NUM_SEQUENCES else [])]
FIELDS = ["status", "attempt", "crashes", "version", "suspect"]
workers = st.sampled_from(["w1", "w2"])
tenants = st.sampled_from(["acme", "other"])
lanes = st.sampled_from([QUEUE, SUSPECTS])
places = st.integers(0, 10**6)
"""The job or attempt of a step, counted from the newest, because small numbers are drawn most often."""


class Orders(RuleBasedStateMachine):
    """Draws steps. Each step calls the store, and changes the model to the expected result."""

    client: ClassVar[redis.Redis]

    @initialize()
    def empty(self) -> None:
        self.client.flushall()
        # The clocks are so slow that time passes only where a step lets it.
        self.store = JobStore(
            self.client, StoreSettings(lease_s=600.0, republish_after_s=600.0, max_crashes=MAX_CRASHES)
        )
        self.num_jobs = 0
        self.jobs: dict[str, Expected] = {}
        self.claims: list[tuple[str, Claim]] = []
        self.alone: dict[str, str] = {}
        self.keys: dict[tuple[str, str], tuple[str, str]] = {}

    # -- what a gateway does ----------------------------------------------------------------------------------------

    @precondition(lambda self: self.num_live() < FEW)
    @rule(tenant=tenants)
    def submit(self, tenant: str) -> None:
        job = self.next_job(tenant=tenant, num_inputs=8)
        assert self.store.submit(job, NO_LIMITS) == (job.id, False)
        self.jobs[job.id] = Expected(job.id, tenant)

    @precondition(lambda self: self.num_live() < FEW)
    @rule(tenant=tenants, worker=workers)
    def submit_and_claim(self, tenant: str, worker: str) -> None:
        self.submit(tenant)
        self.claim(list(self.jobs.values())[-1], worker)

    @rule(tenant=tenants, key=st.sampled_from("ab"), fingerprint=st.sampled_from("xy"))
    def submit_with_a_key(self, tenant: str, key: str, fingerprint: str) -> None:
        job = self.next_job(tenant=tenant, idempotency_key=key, fingerprint=fingerprint)
        first = self.keys.get((tenant, key))
        if first and first[1] != fingerprint:
            with pytest.raises(IdempotencyMismatch):
                self.store.submit(job, NO_LIMITS)
        elif first:
            assert self.store.submit(job, NO_LIMITS) == (first[0], True)
        else:
            assert self.store.submit(job, NO_LIMITS) == (job.id, False)
            self.keys[tenant, key] = (job.id, fingerprint)
            self.jobs[job.id] = Expected(job.id, tenant)

    @precondition(lambda self: self.known())
    @rule(place=places)
    def cancel(self, place: int) -> None:
        job = self.pick(self.known()[-2 * FEW :], place)
        job.status = {"queued": "cancelled", "running": "cancelling"}.get(job.status, job.status)
        assert self.store.cancel(job.id, job.tenant).status == job.status

    @precondition(lambda self: self.known())
    @rule(place=places)
    def delete(self, place: int) -> None:
        job = self.pick(self.known()[-2 * FEW :], place)
        self.store.delete(job.id, job.tenant)
        job.deleted = True
        if job.live:
            job.status = "cancelled"

    # -- what workers do --------------------------------------------------------------------------------------------

    @precondition(lambda self: self.any_in("queued"))
    @rule(worker=workers, lane=lanes)
    def take_a_message_and_claim(self, worker: str, lane: str) -> None:
        job_id = take_message(self.store, lane)
        if job_id is not None:
            self.claim(self.jobs[job_id], worker)

    @precondition(lambda self: self.jobs)
    @rule(worker=workers, place=places)
    def claim_by_a_doubled_message(self, worker: str, place: int) -> None:
        self.claim(self.pick(list(self.jobs.values()), place), worker)

    @precondition(lambda self: self.any_in("queued"))
    @rule(worker=workers)
    def take_the_next_that_waits(self, worker: str) -> None:
        claim = self.store.claim_next(QUEUE, worker)
        for job in self.jobs.values():
            if job.late and job.status == "queued" and not job.suspect and not job.deleted:
                # It expires when it comes to the head of the queue, which it may not have.
                job.status = self.store.read(job.id, job.tenant).status
        if claim is not None:
            self.started(self.jobs[claim.id], worker, claim)

    def started(self, job: Expected, worker: str, claim: Claim) -> None:
        assert job.status == "queued" and not job.late and not job.deleted
        job.status, job.attempt, job.worker = "running", job.attempt + 1, worker
        assert (claim.attempt, claim.suspect) == (job.attempt, job.suspect)
        self.claims.append((worker, claim))
        if job.suspect:
            self.alone[worker] = job.id

    def claim(self, job: Expected, worker: str) -> None:
        claim = self.store.claim(job.id, worker)
        if job.deleted or job.status != "queued":
            assert claim is None
        elif job.late:
            assert claim is None
            job.status = "expired"
        else:
            assert claim is not None
            self.started(job, worker, claim)

    @precondition(lambda self: self.claims)
    @rule(worker=workers)
    def beat(self, worker: str) -> None:
        held = [claim for holder, claim in self.claims if holder == worker]
        # A worker holds one attempt of a job at a time; older ones of its own are a frozen thread's.
        newest = {claim.id: claim for claim in held}
        stop = {
            claim.id for claim in newest.values() if not self.owns(claim) or self.jobs[claim.id].status == "cancelling"
        }
        assert self.store.renew_leases([(claim.id, claim.attempt) for claim in newest.values()]) == stop

    @precondition(lambda self: self.claims)
    @rule(place=places, done=st.integers(0, 8))
    def progress(self, place: int, done: int) -> None:
        _, claim = self.pick(self.claims[-2 * FEW :], place)
        self.store.progress(claim, done)
        if self.owns(claim):
            assert self.store.read(claim.id, self.jobs[claim.id].tenant).progress_done == done

    @precondition(lambda self: self.claims)
    @rule(place=places, ending=st.sampled_from(["succeeded", "failed", "cancelled"]))
    def finish(self, place: int, ending: str) -> None:
        """End an attempt: the owner's, or one that lost its lease long ago."""
        _, claim = self.pick(self.claims[-2 * FEW :], place)
        job = self.jobs[claim.id]
        expected = self.owns(claim) or (not job.deleted and job.ended_by == claim.attempt)
        if self.owns(claim) and ending == "cancelled" and job.status == "running":
            expected = False  # nobody has cancelled it
        elif self.owns(claim):
            job.status = "cancelled" if job.status == "cancelling" else ending
            job.ended_by = claim.attempt
            self.leave(job)
        ended = {
            "succeeded": lambda: self.store.succeed(claim, ANSWER),
            "failed": lambda: self.store.fail(claim, TriptychError()),
            "cancelled": lambda: self.store.confirm_cancel(claim),
        }[ending]()
        assert ended == expected

    @precondition(lambda self: self.claims)
    @rule(place=places)
    def release(self, place: int) -> None:
        _, claim = self.pick(self.claims[-2 * FEW :], place)
        job = self.jobs[claim.id]
        owned = self.owns(claim)
        if owned:
            job.status = "cancelled" if job.status == "cancelling" else "queued"
            self.leave(job)
        assert self.store.release(claim) == owned

    # -- faults, and time that passes -------------------------------------------------------------------------------

    @precondition(lambda self: self.any_in("queued"))
    @rule(lane=lanes)
    def lose_all_messages(self, lane: str) -> None:
        self.client.delete(lane)

    @precondition(lambda self: self.any_in("queued"))
    @rule(lane=lanes)
    def lose_a_message(self, lane: str) -> None:
        take_message(self.store, lane)

    @precondition(lambda self: self.known())
    @rule(place=places)
    def let_a_deadline_pass(self, place: int) -> None:
        job = self.pick(self.known()[-2 * FEW :], place)
        if job.live:
            pass_deadline(self.store, job.id)
            job.late = True

    @precondition(lambda self: self.any_in("running", "cancelling"))
    @rule(worker=workers)
    def let_a_worker_die(self, worker: str) -> None:
        """All leases of a worker run out; its threads may still come back from the dead and finish."""
        self.reap([job for job in self.jobs.values() if job.worker == worker and job.attempt and job.live])

    @precondition(lambda self: self.known())
    @rule(place=places)
    def look_at_one(self, place: int) -> None:
        self.reap([self.pick(self.known(), place)])

    @precondition(lambda self: self.num_live())
    @rule()
    def look_at_all(self) -> None:
        self.reap([job for job in self.jobs.values() if job.live])

    def reap(self, jobs: list[Expected]) -> None:
        come_due(self.store, *(job.id for job in jobs)) if jobs else None
        num_taken = 0
        # Nothing is ever due later than its deadline.
        late = [job for job in self.jobs.values() if job.late and job not in jobs]
        for job in (job for job in jobs + late if job.live):
            if job.status == "cancelling":
                job.status = "cancelled"
            elif job.late:
                job.status = "expired"
            elif job.status == "running":
                num_taken += 1
                self.take_back(job)
        assert self.store.reap()[0] == num_taken

    def take_back(self, job: Expected) -> None:
        job.status = "queued"
        if self.alone.get(job.worker, job.id) == job.id:
            job.crashes += 1
            job.suspect = job.suspect or job.crashes < MAX_CRASHES
            if job.crashes == MAX_CRASHES:
                job.status = "failed"

    # -- what is true after every step ------------------------------------------------------------------------------

    @invariant()
    def the_store_is_what_the_model_says(self) -> None:
        jobs = self.known()
        pipeline = self.client.pipeline(transaction=False)
        for job in jobs:
            pipeline.hmget(f"{PREFIX}job:{job.id}", FIELDS)
        for job, (status, attempt, crashes, version, suspect) in zip(jobs, pipeline.execute(), strict=True):
            assert (status.decode(), int(attempt), int(crashes)) == (job.status, job.attempt, job.crashes), job
            assert (suspect == b"1") == job.suspect
            assert int(version) >= job.version
            job.version = int(version)

    @invariant()
    def what_lives_is_due_and_counted_and_what_waits_is_in_its_queue(self) -> None:
        live = [job for job in self.jobs.values() if job.live]
        pipeline = self.client.pipeline(transaction=False)
        pipeline.zrange(f"{PREFIX}due", 0, -1)
        pipeline.zrange(f"{PREFIX}waiting:{QUEUE}", 0, -1)
        pipeline.zrange(f"{PREFIX}waiting:{SUSPECTS}", 0, -1)
        pipeline.hgetall(f"{PREFIX}active")
        pipeline.hvals(f"{PREFIX}finished")
        due, waiting, suspects, active, finished = pipeline.execute()
        assert {member.decode() for member in due} == {job.id for job in live}
        queued = [job for job in live if job.status == "queued"]
        assert {member.decode() for member in waiting} == {job.id for job in queued if not job.suspect}
        assert {member.decode() for member in suspects} == {job.id for job in queued if job.suspect}
        counts = {tenant.decode(): int(count) for tenant, count in active.items()}
        assert counts == {
            tenant: count for tenant in ("acme", "other") if (count := sum(job.tenant == tenant for job in live))
        }
        assert sum(map(int, finished)) == len(self.jobs) - len(live), "each job ends exactly once"

    @invariant()
    def no_queue_holds_messages_when_nobody_waits(self) -> None:
        for lane in (QUEUE, SUSPECTS):
            if not self.client.exists(f"{PREFIX}waiting:{lane}"):
                assert messages(self.store, lane) == []

    def teardown(self) -> None:
        """Whatever happened: workers that take messages, and a reaper, bring every job to its end."""
        if not hasattr(self, "store"):
            return
        for _ in range(4 * MAX_CRASHES):
            live = [job for job in self.jobs.values() if job.live]
            if not live:
                break
            self.reap(live)
            for worker, claim in self.drained():
                assert self.store.succeed(claim, ANSWER), worker
                self.jobs[claim.id].status = "succeeded"
        assert [job for job in self.jobs.values() if job.live] == []
        self.what_lives_is_due_and_counted_and_what_waits_is_in_its_queue()
        for job in self.jobs.values():
            if job.deleted:
                with pytest.raises(JobGone):
                    self.store.read(job.id, job.tenant)

    def drained(self) -> Iterator[tuple[str, Claim]]:
        """Take every message there is and yield the attempts that come of them."""
        for lane in (QUEUE, SUSPECTS):
            while (job_id := take_message(self.store, lane)) is not None:
                num_claims = len(self.claims)
                self.claim(self.jobs[job_id], "last")
                yield from self.claims[num_claims:]

    # -- helpers ----------------------------------------------------------------------------------------------------

    def next_job(self, **changes: Any) -> NewJob:
        """Return a job whose id is its number.

        Jobs that are due at the same moment are looked at in the order of their ids. Random ones would make a repeated
        sequence another one, which Hypothesis refuses.
        """
        self.num_jobs += 1
        return new_job(id=f"{self.num_jobs:022}", **changes)

    def known(self) -> list[Expected]:
        """Return the jobs that have a record."""
        return [job for job in self.jobs.values() if not job.deleted]

    def any_in(self, *states: str) -> bool:
        """Return whether a job is in one of these states."""
        return any(job.status in states for job in self.jobs.values())

    def num_live(self) -> int:
        """Return how many jobs have yet to end."""
        return sum(job.live for job in self.jobs.values())

    def pick(self, among: list[Any], place: int) -> Any:
        return among[-1 - place % len(among)]

    def owns(self, claim: Claim) -> bool:
        return not self.jobs[claim.id].deleted and self.jobs[claim.id].owned_by(claim)

    def leave(self, job: Expected) -> None:
        if self.alone.get(job.worker) == job.id:
            del self.alone[job.worker]


@pytest.mark.timeout(7200 if NUM_SEQUENCES else 900)
def test_any_order_of_calls_and_faults_keeps_every_promise(client: redis.Redis) -> None:
    Orders.client = client
    run_state_machine_as_test(
        Orders,
        settings=settings(
            max_examples=NUM_SEQUENCES or 250,
            stateful_step_count=40,
            derandomize=not NUM_SEQUENCES,
            phases=PHASES,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
