"""Gateways, workers, reapers and faults in random order, compared with a model of the expected result.

Hypothesis draws sequences of calls and faults. After each step the store is compared with the model, and at the end
of each sequence every unfinished job must reach its end. By default there are always the same 250 sequences;
`TRIPTYCH_TEST_SEQUENCES` sets another number of random ones (use 5,000 before a release), and then a failing sequence
is also shortened, which may take minutes.
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
from tests.redis.expected_job import ExpectedJob
from tests.support.job_store import JobStore

MAX_CRASHES = 3
MAX_LIVE_JOBS = 4
"""Few jobs exist at a time, so that several steps concern the same one."""
NUM_SEQUENCES = int(os.environ.get("TRIPTYCH_TEST_SEQUENCES", "0"))
PHASES = [Phase.explicit, Phase.reuse, Phase.generate, *([Phase.shrink] if NUM_SEQUENCES else [])]
FIELDS = ["status", "attempt", "crashes", "version", "suspect"]
workers = st.sampled_from(["w1", "w2"])
tenants = st.sampled_from(["acme", "other"])
lanes = st.sampled_from([QUEUE, SUSPECTS])
indices = st.integers(0, 10**6)
"""Index of the job or attempt of a step, counted from the newest, because small numbers are drawn most often."""


class StoreMachine(RuleBasedStateMachine):
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
        self.jobs: dict[str, ExpectedJob] = {}
        self.claims: list[tuple[str, Claim]] = []
        self.isolated_jobs: dict[str, str] = {}
        self.keys: dict[tuple[str, str], tuple[str, str]] = {}

    # -- calls of a gateway -----------------------------------------------------------------------------------------

    @precondition(lambda self: self.num_unfinished() < MAX_LIVE_JOBS)
    @rule(tenant=tenants)
    def submit(self, tenant: str) -> None:
        job = self.next_job(tenant=tenant, num_inputs=8)
        assert self.store.submit(job, NO_LIMITS) == (job.id, False)
        self.jobs[job.id] = ExpectedJob(job.id, tenant)

    @precondition(lambda self: self.num_unfinished() < MAX_LIVE_JOBS)
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
            self.jobs[job.id] = ExpectedJob(job.id, tenant)

    @precondition(lambda self: self.recorded())
    @rule(index=indices)
    def cancel(self, index: int) -> None:
        job = self.pick(self.recorded()[-2 * MAX_LIVE_JOBS :], index)
        job.status = {"queued": "cancelled", "running": "cancelling"}.get(job.status, job.status)
        self.store.cancel(job.id, job.tenant)
        assert self.store.read(job.id, job.tenant).status == job.status

    @precondition(lambda self: self.recorded())
    @rule(index=indices)
    def delete(self, index: int) -> None:
        job = self.pick(self.recorded()[-2 * MAX_LIVE_JOBS :], index)
        self.store.delete(job.id, job.tenant)
        job.deleted = True
        if job.unfinished:
            job.status = "cancelled"

    # -- calls of workers --------------------------------------------------------------------------------------------

    @precondition(lambda self: self.any_in("queued"))
    @rule(worker=workers, lane=lanes)
    def take_a_message_and_claim(self, worker: str, lane: str) -> None:
        job_id = take_message(self.store, lane)
        if job_id is not None:
            self.claim(self.jobs[job_id], worker)

    @precondition(lambda self: self.jobs)
    @rule(worker=workers, index=indices)
    def claim_by_a_duplicate_message(self, worker: str, index: int) -> None:
        self.claim(self.pick(list(self.jobs.values()), index), worker)

    @precondition(lambda self: self.any_in("queued"))
    @rule(worker=workers)
    def claim_the_next_waiting_job(self, worker: str) -> None:
        claim = self.store.claim_next(QUEUE, worker)
        for job in self.jobs.values():
            if job.late and job.status == "queued" and not job.suspect and not job.deleted:
                # The call expires only the late jobs that it finds before the one that it claims.
                job.status = self.store.read(job.id, job.tenant).status
        if claim is not None:
            self.started(self.jobs[claim.id], worker, claim)

    def started(self, job: ExpectedJob, worker: str, claim: Claim) -> None:
        assert job.status == "queued" and not job.late and not job.deleted
        job.status, job.attempt, job.worker = "running", job.attempt + 1, worker
        assert (claim.attempt, claim.suspect) == (job.attempt, job.suspect)
        self.claims.append((worker, claim))
        if job.suspect:
            self.isolated_jobs[worker] = job.id

    def claim(self, job: ExpectedJob, worker: str) -> None:
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
    def renew_leases(self, worker: str) -> None:
        held = [claim for holder, claim in self.claims if holder == worker]
        # A worker holds only the newest attempt of a job. An older one is that of a thread that was frozen.
        newest = {claim.id: claim for claim in held}
        stop = {
            claim.id
            for claim in newest.values()
            if not self.is_owner(claim) or self.jobs[claim.id].status == "cancelling"
        }
        assert self.store.renew_leases([(claim.id, claim.attempt) for claim in newest.values()]) == stop

    @precondition(lambda self: self.claims)
    @rule(index=indices, done=st.integers(0, 8))
    def progress(self, index: int, done: int) -> None:
        _, claim = self.pick(self.claims[-2 * MAX_LIVE_JOBS :], index)
        self.store.progress(claim, done)
        if self.is_owner(claim):
            assert self.store.read(claim.id, self.jobs[claim.id].tenant).progress_done == done

    @precondition(lambda self: self.claims)
    @rule(index=indices, ending=st.sampled_from(["succeeded", "failed", "cancelled"]))
    def finish(self, index: int, ending: str) -> None:
        """End an attempt, which may be the owner or one that lost its lease long ago."""
        _, claim = self.pick(self.claims[-2 * MAX_LIVE_JOBS :], index)
        job = self.jobs[claim.id]
        expected = self.is_owner(claim) or (not job.deleted and job.ended_by == claim.attempt)
        if self.is_owner(claim) and ending == "cancelled" and job.status == "running":
            expected = False  # the job was not cancelled
        elif self.is_owner(claim):
            job.status = "cancelled" if job.status == "cancelling" else ending
            job.ended_by = claim.attempt
            self.end_isolation(job)
        ended = {
            "succeeded": lambda: self.store.succeed(claim, ANSWER),
            "failed": lambda: self.store.fail(claim, TriptychError()),
            "cancelled": lambda: self.store.confirm_cancel(claim),
        }[ending]()
        assert ended == expected

    @precondition(lambda self: self.claims)
    @rule(index=indices)
    def release(self, index: int) -> None:
        _, claim = self.pick(self.claims[-2 * MAX_LIVE_JOBS :], index)
        job = self.jobs[claim.id]
        owned = self.is_owner(claim)
        if owned:
            job.status = "cancelled" if job.status == "cancelling" else "queued"
            self.end_isolation(job)
        assert self.store.release(claim) == owned

    # -- faults, and the passage of time ----------------------------------------------------------------------------

    @precondition(lambda self: self.any_in("queued"))
    @rule(lane=lanes)
    def lose_all_messages(self, lane: str) -> None:
        self.client.delete(lane)

    @precondition(lambda self: self.any_in("queued"))
    @rule(lane=lanes)
    def lose_a_message(self, lane: str) -> None:
        take_message(self.store, lane)

    @precondition(lambda self: self.recorded())
    @rule(index=indices)
    def let_a_deadline_pass(self, index: int) -> None:
        job = self.pick(self.recorded()[-2 * MAX_LIVE_JOBS :], index)
        if job.unfinished:
            pass_deadline(self.store, job.id)
            job.late = True

    @precondition(lambda self: self.any_in("running", "cancelling"))
    @rule(worker=workers)
    def let_a_worker_die(self, worker: str) -> None:
        """Let all leases of a worker run out. Its threads may still finish later, as those of a frozen worker do."""
        self.reap([job for job in self.jobs.values() if job.worker == worker and job.attempt and job.unfinished])

    @precondition(lambda self: self.recorded())
    @rule(index=indices)
    def reap_one(self, index: int) -> None:
        self.reap([self.pick(self.recorded(), index)])

    @precondition(lambda self: self.num_unfinished())
    @rule()
    def reap_all(self) -> None:
        self.reap([job for job in self.jobs.values() if job.unfinished])

    def reap(self, jobs: list[ExpectedJob]) -> None:
        come_due(self.store, *(job.id for job in jobs)) if jobs else None
        num_taken = 0
        # A late job is due as well, because no job is ever due later than its deadline.
        late = [job for job in self.jobs.values() if job.late and job not in jobs]
        for job in (job for job in jobs + late if job.unfinished):
            if job.status == "cancelling":
                job.status = "cancelled"
            elif job.late:
                job.status = "expired"
            elif job.status == "running":
                num_taken += 1
                self.expect_lease_lost(job)
        assert self.store.reap()[0] == num_taken

    def expect_lease_lost(self, job: ExpectedJob) -> None:
        job.status = "queued"
        if self.isolated_jobs.get(job.worker, job.id) == job.id:
            job.crashes += 1
            job.suspect = job.suspect or job.crashes < MAX_CRASHES
            if job.crashes == MAX_CRASHES:
                job.status = "failed"

    # -- invariants after every step --------------------------------------------------------------------------------

    @invariant()
    def each_record_equals_the_model(self) -> None:
        jobs = self.recorded()
        pipeline = self.client.pipeline(transaction=False)
        for job in jobs:
            pipeline.hmget(f"{PREFIX}job:{job.id}", FIELDS)
        for job, (status, attempt, crashes, version, suspect) in zip(jobs, pipeline.execute(), strict=True):
            assert (status.decode(), int(attempt), int(crashes)) == (job.status, job.attempt, job.crashes), job
            assert (suspect == b"1") == job.suspect
            assert int(version) >= job.version
            job.version = int(version)

    @invariant()
    def unfinished_jobs_are_due_and_counted_and_queued_ones_are_in_their_queue(self) -> None:
        unfinished = [job for job in self.jobs.values() if job.unfinished]
        pipeline = self.client.pipeline(transaction=False)
        pipeline.zrange(f"{PREFIX}due", 0, -1)
        pipeline.zrange(f"{PREFIX}waiting:{QUEUE}", 0, -1)
        pipeline.zrange(f"{PREFIX}waiting:{SUSPECTS}", 0, -1)
        pipeline.hgetall(f"{PREFIX}active")
        pipeline.hvals(f"{PREFIX}finished")
        due, waiting, suspects, active, finished = pipeline.execute()
        assert {member.decode() for member in due} == {job.id for job in unfinished}
        queued = [job for job in unfinished if job.status == "queued"]
        assert {member.decode() for member in waiting} == {job.id for job in queued if not job.suspect}
        assert {member.decode() for member in suspects} == {job.id for job in queued if job.suspect}
        counts = {tenant.decode(): int(count) for tenant, count in active.items()}
        assert counts == {
            tenant: count for tenant in ("acme", "other") if (count := sum(job.tenant == tenant for job in unfinished))
        }
        assert sum(map(int, finished)) == len(self.jobs) - len(unfinished), "each job ends exactly once"

    @invariant()
    def a_queue_without_waiting_jobs_has_no_messages(self) -> None:
        for lane in (QUEUE, SUSPECTS):
            if not self.client.exists(f"{PREFIX}waiting:{lane}"):
                assert messages(self.store, lane) == []

    def teardown(self) -> None:
        """Whatever happened before, workers that take messages and a reaper must end every job."""
        if not hasattr(self, "store"):
            return
        for _ in range(4 * MAX_CRASHES):
            unfinished = [job for job in self.jobs.values() if job.unfinished]
            if not unfinished:
                break
            self.reap(unfinished)
            for worker, claim in self.claims_of_all_messages():
                assert self.store.succeed(claim, ANSWER), worker
                self.jobs[claim.id].status = "succeeded"
        assert [job for job in self.jobs.values() if job.unfinished] == []
        self.unfinished_jobs_are_due_and_counted_and_queued_ones_are_in_their_queue()
        for job in self.jobs.values():
            if job.deleted:
                with pytest.raises(JobGone):
                    self.store.read(job.id, job.tenant)

    def claims_of_all_messages(self) -> Iterator[tuple[str, Claim]]:
        """Claim the jobs of all messages, and yield the attempts."""
        for lane in (QUEUE, SUSPECTS):
            while (job_id := take_message(self.store, lane)) is not None:
                num_claims = len(self.claims)
                self.claim(self.jobs[job_id], "last")
                yield from self.claims[num_claims:]

    # -- helpers ----------------------------------------------------------------------------------------------------

    def next_job(self, **changes: Any) -> NewJob:
        """Return a job whose id is its number.

        The reaper handles jobs that are due at the same moment in the order of their ids. Random ids would make a
        repeated sequence a different one, which Hypothesis refuses.
        """
        self.num_jobs += 1
        return new_job(id=f"{self.num_jobs:022}", **changes)

    def recorded(self) -> list[ExpectedJob]:
        """Return the jobs that have a record."""
        return [job for job in self.jobs.values() if not job.deleted]

    def any_in(self, *states: str) -> bool:
        """Return whether a job is in one of these states."""
        return any(job.status in states for job in self.jobs.values())

    def num_unfinished(self) -> int:
        """Return how many jobs have not ended."""
        return sum(job.unfinished for job in self.jobs.values())

    def pick(self, candidates: list[Any], index: int) -> Any:
        return candidates[-1 - index % len(candidates)]

    def is_owner(self, claim: Claim) -> bool:
        return not self.jobs[claim.id].deleted and self.jobs[claim.id].owned_by(claim)

    def end_isolation(self, job: ExpectedJob) -> None:
        if self.isolated_jobs.get(job.worker) == job.id:
            del self.isolated_jobs[job.worker]


@pytest.mark.timeout(7200 if NUM_SEQUENCES else 900)
def test_any_order_of_calls_and_faults_keeps_every_promise(client: redis.Redis) -> None:
    StoreMachine.client = client
    run_state_machine_as_test(
        StoreMachine,
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
