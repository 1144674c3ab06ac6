"""A worker that holds enough of some flows takes jobs of others: what it passes by stays, and the others hear of it."""

import pytest

from contracts.jobs import newcomers_of
from contracts.store.attempts.turn import Room
from tests.redis.builders import QUEUE, submit, take_message, waiting
from tests.redis.shares.taking import flood, take
from tests.support.job_store import JobStore

A = ("default", "a")
NEWCOMERS = newcomers_of(QUEUE)


def messages(store: JobStore) -> tuple[int, int]:
    """Return how many messages there are for workers with room for any job, and for those that have none."""
    return store.client.llen(QUEUE), store.client.llen(NEWCOMERS)


def test_a_flow_that_is_passed_by_keeps_its_jobs_and_its_place(store: JobStore) -> None:
    ids = flood(store, 5, "a", 1.0)
    others = flood(store, 3, "b", 1.0)
    assert [claim.id for claim in take(store, 8, pass_by=[A])] == others
    assert waiting(store) == ids
    assert [claim.id for claim in take(store, 8, at_once=8)] == ids


def test_another_lane_of_the_same_tenant_is_another_flow(store: JobStore) -> None:
    flood(store, 2, "a", 1.0)
    (urgent,) = flood(store, 1, "a", 1.0, lane="interactive")
    assert [claim.id for claim in take(store, 8, pass_by=[A])] == [urgent]


def test_newcomers_are_found_behind_any_number_of_flows(store: JobStore) -> None:
    crowd = [f"t{number:03}" for number in range(200)]
    for tenant in crowd:
        submit(store, tenant=tenant)
    newcomer = submit(store, tenant="new")
    assert [claim.id for claim in take(store, 8, pass_by=[("default", tenant) for tenant in crowd])] == [newcomer]


def test_what_was_passed_by_catches_up_no_more_than_its_share(store: JobStore) -> None:
    flood(store, 100, "a", 1.0)
    flood(store, 100, "b", 1.0)
    take(store, 20, pass_by=[A])
    tenants = [claim.tenant for claim in take(store, 30)]
    assert tenants[:18].count("a") >= 17 and tenants.count("b") >= 4


def test_the_first_job_of_a_flow_wakes_workers_that_have_room_for_newcomers_only(store: JobStore) -> None:
    flood(store, 1, "a", 1.0)
    assert messages(store) == (0, 1)
    flood(store, 5, "a", 1.0)
    assert messages(store) == (1, 1)
    take_message(store)
    flood(store, 1, "b", 1.0)
    assert messages(store) == (0, 1)
    take(store, 1, pass_by=[A])
    submit(store, tenant="b")
    assert messages(store)[1] == 1, "its flow was empty again"


def test_jobs_that_come_back_first_are_newcomers_again(store: JobStore) -> None:
    submit(store)
    claims = take(store, 1)
    take_message(store)
    store.release(claims)
    assert messages(store) == (0, 1)


def test_workers_with_room_hear_of_what_was_passed_by(store: JobStore) -> None:
    """The message for newcomers was the only one, and whoever took it had no room for this flow."""
    flood(store, 1, "a", 1.0)
    take_message(store)
    assert take(store, 8, pass_by=[A]) == []
    assert messages(store) == (1, 0)


def test_workers_with_room_hear_of_it_even_if_what_was_looked_at_can_not_be_started(store: JobStore) -> None:
    flood(store, 1, "a", 1.0)
    flood(store, 1, "b", 1.0)
    take_message(store)
    assert store.turn("w1", sources=[QUEUE], room=Room(1, 1, 1, 1), pass_by=[A]).claims == []
    assert messages(store)[0] == 1


def test_newcomers_that_did_not_fit_are_left_to_others_who_have_room_for_these_only(store: JobStore) -> None:
    flood(store, 1, "a", 1.0)
    for number in range(20):
        submit(store, tenant=f"t{number}")
    take_message(store)
    assert len(store.turn("w1", sources=[QUEUE], max_jobs=8, pass_by=[A]).claims) == 8
    assert messages(store) == (1, 1)


def test_when_nothing_is_left_there_is_no_message(store: JobStore) -> None:
    flood(store, 2, "a", 1.0)
    take(store, 2, at_once=2)
    assert messages(store) == (0, 0)


@pytest.mark.parametrize("why", ["late", "large"])
def test_jobs_that_can_not_be_started_wake_nobody_again_and_again(store: JobStore, why: str) -> None:
    ids = flood(store, 3, "a", 1.0)
    take_message(store)
    if why == "late":
        for job_id in ids:
            store.client.hset(f"triptych:job:{job_id}", "deadline_at", "1")
    store.turn("w1", sources=[QUEUE], room=Room(1, 1, 1, 1) if why == "large" else Room(2**40, 2**40, 1, 1))
    assert messages(store) == (0, 0)


def test_a_message_for_newcomers_is_enough_for_the_reaper(store: JobStore) -> None:
    flood(store, 1, "a", 1.0)
    assert store.reap() == (0, 0)
    take_message(store)
    assert store.reap() == (0, 1)
    assert messages(store) == (1, 0)


def test_late_jobs_of_one_flow_do_not_hide_those_of_others(store: JobStore) -> None:
    """Of the jobs that a call may look at in vain, one flow has half of what is left."""
    late = flood(store, 200, "a", 1.0) + flood(store, 200, "b", 1.0)
    for job_id in late:
        store.client.hset(f"triptych:job:{job_id}", "deadline_at", "1")
    mine = submit(store)
    assert [claim.id for claim in store.turn("w1", sources=[QUEUE]).claims] == [mine]


def test_a_lost_message_for_newcomers_is_replaced_if_nobody_has_room_for_any_job(store: JobStore) -> None:
    """Whoever took it has died, and the other workers are full of a flood: they listen to nothing else."""
    flood(store, 2, "a", 1.0)
    submit(store, tenant="new")
    store.client.delete(NEWCOMERS)
    assert messages(store) == (1, 0)
    assert store.reap() == (0, 0), "it is no news: so it is each second"
    assert messages(store) == (1, 1)
    take_message(store)
    assert store.reap() == (0, 1)
    assert messages(store) == (1, 0)
