"""The store and its model side by side, and what must be true after every step of a sequence."""

from collections import Counter
from datetime import timedelta
from typing import Any, ClassVar

import redis
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant

from contracts.jobs import LANES, TERMINAL, Claim, NewJob, newcomers_of
from contracts.settings import StoreSettings
from contracts.store.keys import PREFIX
from contracts.store.tenants.usage import UsageReader
from tests.redis.builders import ANSWER, MODEL, QUEUE, SUSPECTS, come_due, new_job
from tests.redis.sequences.checked_shares import WEIGHTS, check_shares
from tests.redis.sequences.expected_store import MAX_CRASHES, ExpectedJob, ExpectedStore
from tests.support.job_store import JobStore
from tests.support.store_time import today

MAX_LIVE_JOBS = 6
"""Few jobs exist at a time, so that several steps concern the same one."""
SOURCES = [SUSPECTS, QUEUE]
KEY_OF = {"acme": "0123456789abcdef", "other": ""}
"""Of tenants: one has a key, and one is of an open gateway."""
FIELDS = ["status", "attempt", "crashes", "alone", "group", "before", "version"]


class CheckedStore(RuleBasedStateMachine):
    """Compares the store with the model after each step, and ends every job after the last one."""

    client: ClassVar[redis.Redis]

    @initialize()
    def empty(self) -> None:
        # The clocks are so slow that time passes only where a step lets it.
        self.store = JobStore(self.client, StoreSettings(lease_s=600.0, max_crashes=MAX_CRASHES))
        # A reaper trusts a clock that it has seen before, or others just now. A busy machine takes longer than that.
        self.store.reap()
        self.client.flushall()
        self.expected = ExpectedStore()
        self.jobs = self.expected.jobs
        self.claims: list[tuple[str, Claim]] = []
        self.keys: dict[tuple[str, str], tuple[str, str]] = {}

    def reap(self, jobs: list[ExpectedJob]) -> None:
        if jobs:
            come_due(self.store, *(job.id for job in jobs))
        lost: dict[str, list[ExpectedJob]] = {}
        # A late job is due as well, because no job is ever due later than its deadline.
        due = sorted({job.id for job in jobs} | {job.id for job in self.jobs.values() if job.late})
        for job in (self.jobs[job_id] for job_id in due if self.jobs[job_id].unfinished):
            if job.late:
                job.status = "cancelled" if job.status == "cancelling" else "expired"
            elif job.status == "cancelling":
                job.status = "cancelled"
            elif job.status == "running":
                lost.setdefault(job.worker, []).append(job)
        for together in lost.values():
            self.expected.blame(together, keeps=True)
        assert self.store.reap()[0] == sum(map(len, lost.values()))
        self.every_queue_with_jobs_has_its_message()

    # -- invariants after every step --------------------------------------------------------------------------------

    @invariant()
    def begin_step(self) -> None:
        if hasattr(self, "expected"):
            self.expected.step += 1

    @invariant()
    def each_record_equals_the_model(self) -> None:
        jobs = self.recorded()
        pipeline = self.client.pipeline(transaction=False)
        for job in jobs:
            pipeline.hmget(f"{PREFIX}job:{job.id}", FIELDS)
        for job, values in zip(jobs, pipeline.execute(), strict=True):
            status, attempt, crashes, alone, group, before, version = (value and value.decode() for value in values)
            found = (status, int(attempt or 0), int(crashes or 0), int(alone or 0), group or "")
            assert found == (job.status, job.attempt, job.crashes, job.alone, job.group), job
            if job.unfinished:
                assert bool(before) == (job.before is not None), job
            assert int(version or 1) >= job.version
            job.version = int(version or 1)

    @invariant()
    def unfinished_jobs_are_due_and_counted_and_queued_ones_are_in_their_queue(self) -> None:
        unfinished = [job for job in self.jobs.values() if job.unfinished]
        pipeline = self.client.pipeline(transaction=False)
        for name in ("due", f"waiting:{SUSPECTS}"):
            pipeline.zrange(PREFIX + name, 0, -1)
        pipeline.hgetall(f"{PREFIX}active")
        pipeline.hvals(f"{PREFIX}finished")
        due, suspects, active, finished = pipeline.execute()
        assert {member.decode() for member in due} == {job.id for job in unfinished}
        assert [member.decode() for member in suspects] == [job.id for job in self.expected.suspects()]
        counts = {tenant.decode(): int(count) for tenant, count in active.items()}
        assert counts == {
            tenant: count for tenant in ("acme", "other") if (count := sum(job.tenant == tenant for job in unfinished))
        }
        assert sum(map(int, finished)) == len(self.jobs) - len(unfinished), "each job ends exactly once"

    @invariant()
    def tenants_hold_what_their_records_hold(self) -> None:
        expected: Counter[str] = Counter()
        for key in self.client.scan_iter(f"{PREFIX}job:*"):
            tenant, held = self.client.hmget(key, "tenant", "held")
            expected[tenant.decode()] += int(held)
        found = {tenant.decode(): int(held) for tenant, held in self.client.hgetall(f"{PREFIX}held").items()}
        assert found == +expected

    @invariant()
    def the_ledger_has_each_job_that_has_ended_once(self) -> None:
        found: Counter[tuple[str, str]] = Counter()
        usage = UsageReader(self.client)
        end = today(self.client)
        start = end - timedelta(days=1)
        for entry in usage.entries(usage.tenants(start), start, end):
            assert (entry.key, entry.model) == (KEY_OF[entry.tenant], MODEL)
            for status in TERMINAL:
                found[entry.tenant, status] += getattr(entry.counts, status)
        assert +found == Counter((job.tenant, job.status) for job in self.jobs.values() if not job.unfinished)

    @invariant()
    def flows_and_their_sums_are_those_of_the_jobs(self) -> None:
        if hasattr(self, "expected"):
            check_shares(self.client, self.expected)

    @invariant()
    def groups_have_the_suspects_that_wait(self) -> None:
        found = {
            key.decode().removeprefix(f"{PREFIX}group:"): {member.decode() for member in self.client.smembers(key)}
            for key in self.client.scan_iter(f"{PREFIX}group:*")
        }
        expected: dict[str, set[str]] = {}
        for job in self.expected.suspects():
            if job.group != job.id:
                expected.setdefault(job.group, set()).add(job.id)
        assert found == expected

    @invariant()
    def a_queue_has_one_message_at_most(self) -> None:
        assert all(self.client.llen(queue) <= 1 for queue in (*SOURCES, newcomers_of(QUEUE)))

    def every_queue_with_jobs_has_its_message(self) -> None:
        assert self.client.llen(SUSPECTS) == bool(self.expected.suspects())
        num_messages = self.client.llen(QUEUE) + self.client.llen(newcomers_of(QUEUE))
        assert bool(num_messages) == any(self.expected.flows(lane) for lane in LANES)

    def teardown(self) -> None:
        """Workers and a reaper must end every job, whatever happened before. Once all are purged, nothing is left."""
        if not hasattr(self, "store"):
            return
        for _ in range(4 * MAX_LIVE_JOBS):
            unfinished = [job for job in self.jobs.values() if job.unfinished]
            if not unfinished:
                break
            self.begin_step()
            self.reap(unfinished)
            for claim in self.store.turn("last", sources=SOURCES).claims:
                assert self.store.succeed(claim, ANSWER)
                self.jobs[claim.id].status = "succeeded"
        assert [job for job in self.jobs.values() if job.unfinished] == []
        self.unfinished_jobs_are_due_and_counted_and_queued_ones_are_in_their_queue()
        for job in self.jobs.values():
            self.client.zadd(f"{PREFIX}expiring", {job.id: 0}, xx=True)
            job.gone = True
        self.reap([])
        left = {key.decode().removeprefix(PREFIX).split(":")[0] for key in self.client.scan_iter()}
        left -= {
            "finished",
            "served",
            "turn",
            "reaped_at",
            "reaper",
            "idem",
            "idems",
            "usage",
            "usage_tenants",
            "ledger",
        }
        assert not left, left

    # -- helpers ----------------------------------------------------------------------------------------------------

    def next_job(self, **changes: Any) -> NewJob:
        """Return a job whose id is its number.

        The reaper handles jobs that are due at the same moment in the order of their ids. Random ids would make a
        repeated sequence a different one, which Hypothesis refuses.
        """
        self.expected.num_submits += 1
        tenant = changes["tenant"]
        job_id = f"{self.expected.num_submits:022}"
        return new_job(id=job_id, key_id=KEY_OF[tenant], weight=WEIGHTS[tenant], **changes)

    def recorded(self) -> list[ExpectedJob]:
        """Return the newest jobs that have a record."""
        return [job for job in self.jobs.values() if not job.gone][-2 * MAX_LIVE_JOBS :]

    def any_ended(self) -> bool:
        return any(not job.unfinished for job in self.recorded())

    def any_in(self, *states: str) -> bool:
        """Return whether a job is in one of these states."""
        return any(job.status in states for job in self.jobs.values())

    def num_unfinished(self) -> int:
        """Return how many jobs have not ended."""
        return sum(job.unfinished for job in self.jobs.values())

    def pick(self, candidates: list[Any], index: int) -> Any:
        newest = candidates[-2 * MAX_LIVE_JOBS :]
        return newest[-1 - index % len(newest)]
