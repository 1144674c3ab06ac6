"""A worker that died gives its jobs back at once, and blames those whose rows were in the model call."""

import pytest

from contracts.jobs import Claim
from contracts.store.attempt_store import new_token
from contracts.store.attempts.blame import Returned
from contracts.store.attempts.outcomes import succeeded
from tests.redis.builders import ANSWER, QUEUE, SUSPECTS, TENANT, claim, claimed, come_due, status, submit, waiting
from tests.support.job_store import JobStore
from workers.runtime.process.shared_state import HeldAttempt


def held(claim: Claim, what: str = "") -> HeldAttempt:
    return HeldAttempt(claim.id, claim.attempt, what == "in call", what == "preparing", bool(claim.group))


def die(store: JobStore, *claims: Claim) -> Returned:
    """Let a worker die in a model call of these jobs."""
    return store.abandon([held(taken, "in call") for taken in claims])


def crashes(store: JobStore, *claims: Claim) -> list[int]:
    return [store.read(taken.id, TENANT).crashes for taken in claims]


def take_suspects(store: JobStore, worker: str = "w") -> list[Claim]:
    return store.turn(worker, sources=[SUSPECTS], max_jobs=1).claims


def test_the_jobs_of_the_call_are_blamed_and_the_others_are_not(store: JobStore) -> None:
    culprit, innocent = claimed(store), claimed(store)
    returned = store.abandon([held(culprit, "in call"), held(innocent)])
    assert returned == Returned(2, charged_to_suspects=False)
    assert [status(store, taken.id) for taken in (culprit, innocent)] == ["queued"] * 2
    assert crashes(store, culprit, innocent) == [1, 0]
    assert (waiting(store, SUSPECTS), waiting(store)) == ([culprit.id], [innocent.id])
    assert claim(store, culprit.id, "w2").group == culprit.id
    assert claim(store, innocent.id, "w2").group == ""


def test_without_a_call_every_job_is_blamed(store: JobStore) -> None:
    claims = [claimed(store) for _ in range(3)]
    store.abandon([held(taken) for taken in claims])
    assert crashes(store, *claims) == [1, 1, 1]


def test_without_a_call_the_jobs_that_were_being_prepared_are_blamed(store: JobStore) -> None:
    preparing, idle = claimed(store), claimed(store)
    store.abandon([held(preparing, "preparing"), held(idle)])
    assert crashes(store, preparing, idle) == [1, 0]


def test_a_suspect_that_was_not_in_the_call_is_not_charged(store: JobStore) -> None:
    first = claimed(store)
    die(store, first)
    suspect, culprit = claim(store, first.id, "w2"), claimed(store, "w2")
    store.abandon([held(culprit, "in call"), held(suspect)])
    assert crashes(store, suspect, culprit) == [1, 1]


def test_jobs_that_were_prepared_beside_a_call_become_suspects_without_a_crash(store: JobStore) -> None:
    in_call, preparing, idle = claimed(store), claimed(store), claimed(store)
    store.abandon([held(in_call, "in call"), held(preparing, "preparing"), held(idle)])
    assert crashes(store, in_call, preparing, idle) == [1, 0, 0]
    again = [claim(store, taken.id, "w2") for taken in (in_call, preparing, idle)]
    assert [taken.group for taken in again] == [in_call.id, preparing.id, ""]


def test_a_suspect_that_was_being_prepared_is_charged_even_while_a_call_ran(store: JobStore) -> None:
    """Its tokenizer may be what ended the worker: without this it would never reach its last crash."""
    first = claimed(store)
    die(store, first)
    suspect, in_call = claim(store, first.id, "w2"), claimed(store, "w2")
    returned = store.abandon([held(in_call, "in call"), held(suspect, "preparing")])
    assert crashes(store, suspect, in_call) == [2, 0], "a job is charged that only came beside a suspect"
    assert returned == Returned(2, charged_to_suspects=True)
    assert sorted(waiting(store, SUSPECTS)) == sorted([suspect.id, in_call.id]), "it may be at fault all the same"
    assert len(take_suspects(store)) == 1


def test_a_job_that_was_prepared_while_a_suspect_was_in_the_call_is_not_charged(store: JobStore) -> None:
    first = claimed(store)
    die(store, first)
    suspect, preparing = claim(store, first.id, "w2"), claimed(store, "w2")
    store.abandon([held(suspect, "in call"), held(preparing, "preparing")])
    assert crashes(store, suspect, preparing) == [2, 0]
    assert sorted(waiting(store, SUSPECTS)) == sorted([suspect.id, preparing.id])


def test_if_nothing_was_done_with_any_job_suspects_are_charged(store: JobStore) -> None:
    first = claimed(store)
    die(store, first)
    suspect, idle = claim(store, first.id, "w2"), claimed(store, "w2")
    store.abandon([held(suspect), held(idle)])
    assert crashes(store, suspect, idle) == [2, 0]


def test_a_suspect_that_runs_alone_is_its_workers_only_suspect(store: JobStore) -> None:
    claims = [claimed(store) for _ in range(3)]
    die(store, claims[0])
    die(store, *claims[1:])
    assert [[taken.group == taken.id for taken in take_suspects(store, worker)] for worker in "abc"] == [[True]] * 3


def test_a_suspect_that_runs_alone_is_not_started_with_a_group(store: JobStore) -> None:
    group, lone = [claimed(store) for _ in range(4)], claimed(store)
    die(store, *group)
    die(store, lone)
    started = store.turn("w1", sources=[SUSPECTS]).claims
    assert sorted(taken.id for taken in started) == sorted(taken.id for taken in group)
    assert [taken.id for taken in store.turn("w2", sources=[SUSPECTS]).claims] == [lone.id]


def test_what_the_last_turn_has_started_goes_back_even_if_it_was_not_noted(store: JobStore) -> None:
    ids = [submit(store) for _ in range(3)]
    noted, *_ = store.turn("w1", sources=[QUEUE], max_jobs=3).claims
    assert store.abandon([held(noted, "in call")], "w1") == Returned(3, charged_to_suspects=False)
    assert [status(store, job_id) for job_id in ids] == ["queued"] * 3
    assert crashes(store, noted) == [1] and sorted(waiting(store)) == sorted(set(ids) - {noted.id})


def test_a_turn_of_a_dead_worker_that_arrives_late_starts_nothing(store: JobStore) -> None:
    """A store that was frozen reads what came meanwhile in any order. These jobs would run nowhere, and be blamed."""
    taken, job_id, token = claimed(store), submit(store), new_token()
    store.abandon([held(taken, "in call")], "w1")
    late = store.turn("w1", [succeeded(taken, ANSWER)], sources=[QUEUE], token=token)
    assert (late.accepted, late.claims) == ([False], [])
    assert status(store, job_id) == "queued"


def test_a_job_that_crashes_three_workers_alone_fails(store: JobStore) -> None:
    job_id = submit(store)
    for number in range(3):
        assert status(store, job_id) == "queued"
        returned = die(store, claim(store, job_id, f"w{number}"))
        assert returned == Returned(1, charged_to_suspects=number > 0)
    job = store.read(job_id, TENANT)
    assert (job.status, job.crashes) == ("failed", 3)
    assert job.error is not None and job.error.code == "worker_lost"


def test_only_crashes_alone_count_against_a_job(store: JobStore) -> None:
    """However often neighbours took a job with them, it is tried until it has crashed alone twice."""
    first = [claimed(store) for _ in range(16)]
    die(store, *first)
    for size in (8, 4, 2):
        group = take_suspects(store)
        assert len(group) == size
        die(store, *group)
        # The group at fault is the newest; all others are innocent, and succeed.
        while size > 2 and len(waiting(store, SUSPECTS)) > size:
            for taken in take_suspects(store, "other"):
                assert store.succeed(taken, ANSWER)
    failed = [taken.id for taken in first if status(store, taken.id) == "failed"]
    assert failed == []


@pytest.mark.parametrize("num_jobs", [2, 3, 9, 16, 48])
def test_a_poison_job_is_found_within_five_further_crashes_and_nobody_else_fails(
    store: JobStore, num_jobs: int
) -> None:
    ids = [submit(store) for _ in range(num_jobs)]
    poison = ids[num_jobs // 3]
    claims = [taken for _ in range(num_jobs) for taken in store.turn("w", sources=[QUEUE]).claims]
    die(store, *claims)
    num_crashes = 0
    while group := take_suspects(store):
        assert len({taken.group for taken in group}) == 1
        assert len(group) <= 8
        if poison in {taken.id for taken in group}:
            num_crashes += 1
            die(store, *group)
        else:
            assert all(store.succeed(taken, ANSWER) for taken in group)
    assert num_crashes <= 5
    assert {job_id: status(store, job_id) for job_id in ids} == dict.fromkeys(ids, "succeeded") | {poison: "failed"}
    assert not store.client.keys("triptych:group:*")


def test_jobs_that_arrive_meanwhile_are_never_blamed(store: JobStore) -> None:
    poison = claimed(store)
    die(store, poison)
    suspect, newcomer = claim(store, poison.id, "w2"), claimed(store, "w2")
    returned = store.abandon([held(suspect, "in call"), held(newcomer)])
    assert returned == Returned(2, charged_to_suspects=True)
    assert crashes(store, newcomer) == [0]
    assert claim(store, newcomer.id, "w3").group == ""


def test_the_jobs_of_two_groups_are_halved_apart(store: JobStore) -> None:
    """Without a call all are blamed, and what ran in different calls has nothing in common."""
    first = [claimed(store) for _ in range(8)]
    die(store, *first)
    groups = [take_suspects(store), take_suspects(store)]
    store.abandon([held(taken) for group in groups for taken in group])
    again = [take_suspects(store) for _ in range(4)]
    assert [len(group) for group in again] == [2, 2, 2, 2]
    members = [{taken.id for taken in group} for group in groups]
    assert all(any({taken.id for taken in group} <= ids for ids in members) for group in again)


def test_a_hundred_jobs_of_one_call_are_blamed_in_whole_groups(store: JobStore) -> None:
    claims = [claimed(store) for _ in range(100)]
    assert die(store, *claims).num_jobs == 100
    sizes = []
    while group := take_suspects(store):
        sizes.append(len(group))
    assert sum(sizes) == 100 and max(sizes) == 8 and sizes.count(8) >= 10


def test_what_is_no_longer_the_attempts_is_left_alone(store: JobStore) -> None:
    released, cancelled, late = claimed(store), claimed(store), claimed(store)
    store.release([released])
    store.cancel(cancelled.id, TENANT)
    store.release([late])
    claim(store, late.id, "w2")
    assert die(store, released, cancelled, late).num_jobs == 1
    assert status(store, released.id) == "queued" and crashes(store, released) == [0]
    assert status(store, cancelled.id) == "cancelled"
    assert status(store, late.id) == "running"


def test_called_again_after_a_lost_reply_it_does_nothing(store: JobStore) -> None:
    taken = claimed(store)
    assert [die(store, taken).num_jobs for _ in range(2)] == [1, 0]
    assert (status(store, taken.id), crashes(store, taken)) == ("queued", [1])


def test_a_note_that_comes_late_corrects_what_the_reaper_has_blamed(store: JobStore) -> None:
    """The reaper knows only that leases are over, and blames all that the worker held."""
    culprit, innocent = claimed(store), claimed(store)
    come_due(store, culprit.id, innocent.id)
    assert store.reap()[0] == 2
    assert crashes(store, culprit, innocent) == [1, 1]
    store.abandon([held(culprit, "in call"), held(innocent)])
    assert crashes(store, culprit, innocent) == [1, 0]
    assert (waiting(store, SUSPECTS), waiting(store)) == ([culprit.id], [innocent.id])


@pytest.mark.parametrize("ending", ["cancel", "delete", "succeed"])
def test_a_suspect_that_ends_leaves_nothing_behind(store: JobStore, ending: str) -> None:
    """Neither in its queue nor in its group, whether it waits or runs."""
    for num_taken in (0, 1):
        first = [claimed(store) for _ in range(4)]
        die(store, *first)
        running = take_suspects(store) if num_taken else []
        for taken in first:
            if ending == "cancel":
                store.cancel(taken.id, TENANT)
            elif ending == "delete":
                store.delete(taken.id, TENANT)
        for taken in running or [more for _ in range(2) for more in take_suspects(store)]:
            assert store.succeed(taken, ANSWER) == (ending != "delete")
        for taken in [more for _ in range(2) for more in take_suspects(store)]:
            store.succeed(taken, ANSWER)
        assert not store.client.keys("triptych:group:*") and waiting(store, SUSPECTS) == []
        assert store.num_live() == 0
