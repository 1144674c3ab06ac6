"""The heartbeat continues when a beat fails. If it ended, all jobs of the worker would lose their leases."""

import os
from typing import Any

import pytest
import redis

from contracts.cards import ModelCard, WorkerCard
from contracts.price.profile import ModelProfile
from contracts.store.attempts.blame import Returned
from workers.runtime.process.heartbeat.beats import Beats
from workers.runtime.process.heartbeat.dead_workers import DeadWorkers
from workers.runtime.process.heartbeat.liveness import Liveness
from workers.runtime.process.heartbeat.messages import Beaten, Exit
from workers.runtime.process.shared_state import SharedState
from workers.runtime.process.watchdog import Watchdog

WORKER = WorkerCard(
    id="w1", host="h", pid=1, models=["echo"], started_at=0, running=0, num_batches=0, num_rows=0, real_tokens=0,
    padded_tokens=0, rss_bytes=0,
)  # fmt: skip
MODEL = ModelCard(
    name="tiny", task="embed", family="encoder", revision="r1", licence="", description="", max_tokens=9
)  # fmt: skip


PROFILE, MERGED = ModelProfile(row_s=1.0), ModelProfile(row_s=2.0)


class Store:
    """All parts of a store, which records its calls; ``failures`` are raised first."""

    lease_s = 15.0

    def __init__(self, *failures: Exception) -> None:
        self.failures = list(failures)
        self.calls: list[Any] = []
        self.lost: set[str] = set()
        self.waiting = {MODEL.name: 0}
        self.kept: list[Any] = []

    def renew_leases(self, attempts: Any) -> set[str]:
        if self.failures:
            raise self.failures.pop(0)
        self.calls.append(sorted(attempts))
        return self.lost

    def abandon(self, held: Any, worker: str) -> Returned:
        self.calls.append(sorted(held))
        return Returned(len(held), charged_to_suspects=False)

    def depth(self, model: str) -> tuple[int, float]:
        return self.waiting[model], 0.0

    def announce(self, *models: ModelCard) -> None:
        self.calls += [model.name for model in models]

    def beat(self, worker: WorkerCard, ttl_s: float) -> None:
        self.calls.append(worker.id)

    def write(self, worker: str, speed: float, profiles: dict[str, ModelProfile]) -> dict[str, ModelProfile]:
        self.kept.append((worker, speed, profiles))
        return {"tiny": MERGED}

    def leave(self, worker_id: str) -> None:
        self.calls.append(f"{worker_id} left")


def beats_of(store: Any, state: SharedState, told: list[Any], hard_limit_s: float = 600, stall_s: float = 30) -> Beats:
    state.progress()
    beats = Beats(
        store,
        store,
        store,
        store,
        state=state,
        liveness=Liveness(os.getpid(), state, lease_s=60, hard_limit_s=hard_limit_s),
        watchdog=Watchdog(hard_limit_s=hard_limit_s, stall_s=stall_s),
        dead_workers=DeadWorkers(store, "w1", None),
        tell=told.append,
    )
    beats.note(WORKER, {"tiny": PROFILE})
    return beats


def test_a_beat_that_fails_is_followed_by_one_that_does_not() -> None:
    store, state, told = Store(RuntimeError("a surprise")), SharedState(1), []  # type: ignore[var-annotated]
    state.hold("job", 1)
    beats = beats_of(store, state, told)
    assert not beats.beat() and store.calls == []
    assert not beats.beat() and store.calls == [[("job", 1)], "w1"]
    assert told == [Beaten(), Beaten([], {"tiny": MERGED})]


def test_a_beat_renews_leases_then_announces_models_then_the_worker() -> None:
    """The leases come first because they matter most, and a gateway that sees a worker must also know its models."""
    store, state, told = Store(), SharedState(2), []  # type: ignore[var-annotated]
    state.hold("job", 3)
    beats = beats_of(store, state, told)
    beats._models = [MODEL]
    beats.beat()
    assert store.calls == [[("job", 3)], "tiny", "w1"]


def test_the_worker_learns_which_attempts_have_lost_their_jobs() -> None:
    store, state, told = Store(), SharedState(2), []  # type: ignore[var-annotated]
    state.hold("lost", 2)
    state.hold("kept", 1)
    store.lost = {"lost"}
    beats_of(store, state, told).beat()
    assert told == [Beaten([("lost", 2)], {"tiny": MERGED})]


def test_a_model_call_above_the_hard_limit_tells_the_worker_to_exit() -> None:
    store, state, told = Store(), SharedState(1), []  # type: ignore[var-annotated]
    beats = beats_of(store, state, told, hard_limit_s=10)
    state.progress(busy_since=1e-9)
    assert beats.beat()
    assert isinstance(told[0], Exit)


def test_a_model_call_above_the_hard_limit_ends_the_worker_also_while_the_store_is_out_of_reach() -> None:
    store, state, told = Store(redis.ConnectionError()), SharedState(1), []  # type: ignore[var-annotated]
    state.hold("job", 1)
    beats = beats_of(store, state, told, hard_limit_s=10)
    state.progress(busy_since=1e-9)
    assert beats.beat() and not store.failures
    assert isinstance(told[0], Exit)


@pytest.mark.parametrize(
    ("num_waiting", "takes_turns", "ends"), [(1, False, True), (1, True, False), (0, False, False)]
)
def test_a_worker_that_asks_for_none_of_the_waiting_jobs_is_told_to_exit(
    num_waiting: int, takes_turns: bool, ends: bool
) -> None:
    store, state, told = Store(), SharedState(1), []  # type: ignore[var-annotated]
    beats = beats_of(store, state, told, stall_s=0)
    beats.announce([MODEL])
    store.waiting[MODEL.name] = num_waiting
    assert not beats.beat()
    if takes_turns:
        state.note_turn()
    assert beats.beat() == ends
    assert isinstance(told[-1], Exit) == ends


def test_a_dead_workers_jobs_are_given_back_with_the_note_of_the_call() -> None:
    store, state, told = Store(), SharedState(2), []  # type: ignore[var-annotated]
    state.hold("culprit", 2)
    state.hold("innocent", 1)
    state.note_call(["culprit"])
    beats_of(store, state, told).worker_died()
    assert store.calls == [[("culprit", 2, True, False, False), ("innocent", 1, False, False, False)], "w1 left"]
