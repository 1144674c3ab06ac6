"""Gateways, workers, reapers and faults in random order, compared with a model of the expected result.

Hypothesis draws sequences of calls and faults. After each step the store is compared with the model, and at the end
of each sequence every unfinished job must reach its end, and leave nothing. By default there are always the same 250
sequences; `TRIPTYCH_TEST_SEQUENCES` sets another number of random ones (use 5,000 before a release), and then a
failing sequence is also shortened, which may take minutes.
"""

import os

import pytest
import redis
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    precondition,
    rule,
    run_state_machine_as_test,
)

from contracts.errors import IdempotencyMismatch, TriptychError
from contracts.jobs import LANES, Claim, Lane, newcomers_of
from contracts.store.attempt_store import new_token
from contracts.store.attempts.blame import verdict_on
from contracts.store.attempts.outcomes import Outcome, failed, stopped, succeeded
from contracts.store.keys import PREFIX
from tests.redis.builders import ANSWER, NO_LIMITS, QUEUE, pass_deadline
from tests.redis.sequences.checked_store import MAX_LIVE_JOBS, SOURCES, CheckedStore
from workers.runtime.process.shared_state import HeldAttempt

NUM_SEQUENCES = int(os.environ.get("TRIPTYCH_TEST_SEQUENCES", "0"))
PHASES = [Phase.explicit, Phase.reuse, Phase.generate, *([Phase.shrink] if NUM_SEQUENCES else [])]
workers = st.sampled_from(["w1", "w2"])
tenants = st.sampled_from(["acme", "other"])
queues = st.sampled_from([*SOURCES, newcomers_of(QUEUE)])
prices = st.sampled_from([0.0, 0.001, 0.5, 0.5, 30.0])
indices = st.integers(0, 10**6)
"""Index of the job or attempt of a step, counted from the newest, because small numbers are drawn most often."""
endings = st.sampled_from(["succeeded", "failed", "cancelled"])


class StoreMachine(CheckedStore):
    """Draws steps. Each step calls the store, and changes the model to the expected result."""

    # -- calls of a gateway -----------------------------------------------------------------------------------------

    @precondition(lambda self: self.num_unfinished() < MAX_LIVE_JOBS)
    @rule(tenant=tenants, lane=st.sampled_from(LANES), price_s=prices, followed=st.booleans())
    def submit(self, tenant: str, lane: Lane, price_s: float, followed: bool) -> None:
        job = self.next_job(tenant=tenant, lane=lane, price_s=price_s, num_inputs=8, followed=followed)
        for _ in range(2):  # the second one is sent because the reply to the first was lost
            assert self.store.submit(job, NO_LIMITS)[:2] == (job.id, False)
        self.expected.add(job)

    @precondition(lambda self: not self.num_unfinished())
    @rule(worker=workers)
    def submit_many_and_take_them(self, worker: str) -> None:
        for _ in range(MAX_LIVE_JOBS):
            self.submit("acme", "default", 0.5, followed=False)
            self.begin_step()
        self.take_a_turn(worker, MAX_LIVE_JOBS, again=False)

    @rule(tenant=tenants, key=st.sampled_from("ab"), fingerprint=st.sampled_from("xy"))
    def submit_with_a_key(self, tenant: str, key: str, fingerprint: str) -> None:
        job = self.next_job(tenant=tenant, idempotency_key=key, fingerprint=fingerprint)
        first_id, known = self.keys.get((tenant, key), ("", fingerprint))
        if known != fingerprint:
            with pytest.raises(IdempotencyMismatch):
                self.store.submit(job, NO_LIMITS)
        elif first_id and not self.jobs[first_id].gone:
            assert self.store.submit(job, NO_LIMITS)[:2] == (first_id, True)
        else:
            assert self.store.submit(job, NO_LIMITS)[:2] == (job.id, False)
            self.keys[tenant, key] = (job.id, fingerprint)
            self.expected.add(job)

    @precondition(lambda self: self.recorded())
    @rule(index=indices)
    def cancel(self, index: int) -> None:
        job = self.pick(self.recorded(), index)
        job.status = {"queued": "cancelled", "running": "cancelling"}.get(job.status, job.status)
        self.store.cancel(job.id, job.tenant)
        assert self.store.read(job.id, job.tenant).status == job.status

    @precondition(lambda self: self.recorded())
    @rule(index=indices)
    def delete(self, index: int) -> None:
        job = self.pick(self.recorded(), index)
        self.store.delete(job.id, job.tenant)
        job.status, job.gone = job.status if not job.unfinished else "cancelled", True

    @precondition(lambda self: self.recorded())
    @rule(index=indices)
    def deliver(self, index: int) -> None:
        self.store.mark_delivered([self.pick(self.recorded(), index).id], keep_s=300.0)

    # -- calls of workers --------------------------------------------------------------------------------------------

    @precondition(lambda self: self.any_in("queued"))
    @rule(worker=workers, max_jobs=st.integers(1, 4), again=st.booleans())
    def take_a_turn(self, worker: str, max_jobs: int, again: bool) -> None:
        token = new_token()
        for _ in range(2 if again else 1):  # the reply to the first one was lost
            claims = self.store.turn(worker, sources=SOURCES, max_jobs=max_jobs, token=token).claims
            self.expected.check_taken(claims, max_jobs)
        for claim in claims:
            self.started(worker, claim)

    @precondition(lambda self: self.any_in("queued"))
    @rule(worker=workers, max_jobs=st.integers(1, 4))
    def take_a_turn_again_after_the_leases_are_over(self, worker: str, max_jobs: int) -> None:
        """The worker was cut off before the reply came."""
        token = new_token()
        claims = self.store.turn(worker, sources=SOURCES, max_jobs=max_jobs, token=token).claims
        for claim in claims:
            self.started(worker, claim)
        self.reap([self.jobs[claim.id] for claim in claims])
        owned = [claim for claim in claims if self.jobs[claim.id].owned_by(claim)]
        for claim in owned:
            self.jobs[claim.id].resume()
        assert self.store.turn(worker, sources=SOURCES, max_jobs=max_jobs, token=token).claims == owned

    @precondition(lambda self: self.jobs)
    @rule(worker=workers, index=indices)
    def claim_one(self, worker: str, index: int) -> None:
        job = self.pick(list(self.jobs.values()), index)
        claims = self.store.turn(worker, sources=[job.id]).claims
        assert len(claims) == (job.status == "queued" and not job.late)
        for claim in claims:
            self.started(worker, claim)

    def started(self, worker: str, claim: Claim) -> None:
        job = self.jobs[claim.id]
        assert job.status == "queued" and not job.gone
        self.expected.start(job, worker)
        assert (claim.attempt, claim.group) == (job.attempt, job.group)
        self.claims.append((worker, claim))

    @precondition(lambda self: self.claims)
    @rule(worker=workers)
    def renew_leases(self, worker: str) -> None:
        # A worker holds only the newest attempt of a job. An older one is that of a job that was frozen.
        newest = {claim.id: claim for holder, claim in self.claims if holder == worker}
        stop = set()
        for claim in newest.values():
            job = self.jobs[claim.id]
            if job.owned_by(claim):
                job.resume()
            if not job.owned_by(claim) or job.status == "cancelling":
                stop.add(job.id)
        assert self.store.renew_leases([(claim.id, claim.attempt) for claim in newest.values()]) == stop

    @precondition(lambda self: self.claims)
    @rule(index=indices, done=st.integers(0, 8))
    def progress(self, index: int, done: int) -> None:
        _, claim = self.pick(self.claims, index)
        self.store.progress([(claim, done, 8)])
        if self.jobs[claim.id].owned_by(claim):
            assert self.store.read(claim.id, self.jobs[claim.id].tenant).progress_done == done

    @precondition(lambda self: self.claims)
    @rule(
        ends=st.lists(st.tuples(indices, endings), min_size=1, max_size=4), worker=workers, max_jobs=st.integers(0, 2)
    )
    def finish_and_take(self, ends: list[tuple[int, str]], worker: str, max_jobs: int) -> None:
        """End attempts, which may be the owners or ones that lost their leases long ago, and take the next jobs."""
        outcomes, expected = [], []
        for index, ending in ends:
            _, claim = self.pick(self.claims, index)
            outcomes.append(self.outcome(claim, ending))
            expected.append(self.expect_end(claim, ending))
        turn = self.store.turn(worker, outcomes, sources=SOURCES if max_jobs else (), max_jobs=max_jobs)
        assert turn.accepted == expected
        self.expected.check_taken(turn.claims, max_jobs)
        for claim in turn.claims:
            self.started(worker, claim)

    def outcome(self, claim: Claim, ending: str) -> Outcome:
        if ending == "succeeded":
            return succeeded(claim, ANSWER)
        return failed(claim, TriptychError()) if ending == "failed" else stopped(claim)

    def expect_end(self, claim: Claim, ending: str) -> bool:
        job = self.jobs[claim.id]
        if not job.owned_by(claim):
            return not job.gone and job.ended_by == claim.attempt
        if ending == "cancelled" and job.status != "cancelling":
            return False  # the job was not cancelled
        job.resume()
        job.status = "cancelled" if job.status == "cancelling" else ending
        job.ended_by = claim.attempt
        return True

    @precondition(lambda self: self.claims)
    @rule(index=indices)
    def release(self, index: int) -> None:
        _, claim = self.pick(self.claims, index)
        if self.jobs[claim.id].owned_by(claim):
            self.expected.give_back(self.jobs[claim.id])
        for _ in range(2):
            self.store.release([claim])

    # -- faults, and the passage of time ----------------------------------------------------------------------------

    @precondition(lambda self: self.any_in("queued"))
    @rule(queue=queues)
    def lose_the_message(self, queue: str) -> None:
        self.client.delete(queue)

    @precondition(lambda self: self.recorded())
    @rule(index=indices)
    def let_a_deadline_pass(self, index: int) -> None:
        job = self.pick(self.recorded(), index)
        if job.unfinished:
            pass_deadline(self.store, job.id)
            job.late = True

    @precondition(lambda self: self.any_in("running", "cancelling"))
    @rule(worker=workers, states=st.lists(st.sampled_from(["in call", "preparing", "idle"]), min_size=6, max_size=6))
    def let_a_worker_die(self, worker: str, states: list[str]) -> None:
        """The note of what it did is found."""
        newest = {claim.id: claim for holder, claim in self.claims if holder == worker}
        held = [
            HeldAttempt(claim.id, claim.attempt, state == "in call", state == "preparing", bool(claim.group))
            for claim, state in zip(list(newest.values())[-6:], states, strict=False)
        ]
        blamed, suspected, num_known = [], [], 0
        pairs = sorted(zip(held, verdict_on(held), strict=True), key=lambda pair: pair[1])
        for job, verdict in ((self.jobs[one.job_id], verdict) for one, verdict in pairs):
            if not job.owned_by(newest[job.id]):
                continue
            num_known += 1
            job.resume()
            if job.status != "cancelling" and verdict == "blamed":
                blamed.append(job)
            elif job.status != "cancelling" and verdict == "suspected" and not job.group:
                suspected.append(job)
            else:
                self.expected.give_back(job)
        charged = bool(blamed) and all(job.group for job in blamed)
        self.expected.blame(blamed, keeps=False)
        self.expected.blame(suspected, charge=0, keeps=False)
        assert self.store.abandon(held) == (num_known, charged)
        assert self.store.abandon(held) == (0, False), "called again it does something"

    @precondition(lambda self: self.any_in("running", "cancelling"))
    @rule(worker=workers)
    def cut_a_worker_off(self, worker: str) -> None:
        """Let all leases of a worker run out. It may come back later, as a frozen one does."""
        self.reap([job for job in self.jobs.values() if job.worker == worker and job.attempt and job.unfinished])

    @precondition(lambda self: self.recorded())
    @rule(index=indices)
    def reap_one(self, index: int) -> None:
        self.reap([self.pick(self.recorded(), index)])

    @precondition(lambda self: self.any_ended())
    @rule(index=indices)
    def let_an_answer_expire(self, index: int) -> None:
        job = self.pick([job for job in self.recorded() if not job.unfinished], index)
        self.client.zadd(f"{PREFIX}expiring", {job.id: 0}, xx=True)
        job.gone = True
        self.reap([])


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
