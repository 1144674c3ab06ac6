"""A message says that a queue has work: one is out while jobs wait, and the reaper replaces one that was lost."""

import pytest

from contracts.jobs import newcomers_of, queue_of
from contracts.store.keys import PREFIX
from tests.redis.builders import (
    ANSWER,
    QUEUE,
    SUSPECTS,
    TENANT,
    all_at_once,
    claim,
    claimed,
    come_due,
    num_messages,
    pass_deadline,
    submit,
    take_message,
    waiting,
)
from tests.support.job_store import JobStore
from workers.runtime.attempts.sources import Sources


def test_a_thousand_jobs_have_a_message_and_one_for_newcomers(store: JobStore) -> None:
    for number in range(1000):
        submit(store, tenant=f"t{number % 10}")
    assert len(waiting(store)) == 1000
    assert [store.client.llen(name) for name in (QUEUE, newcomers_of(QUEUE))] == [1, 1]


def test_a_worker_that_leaves_jobs_passes_the_message_on(store: JobStore) -> None:
    for _ in range(5):
        submit(store)
    take_message(store)
    store.turn("w1", sources=[QUEUE], max_jobs=4)
    assert num_messages(store) == 1
    take_message(store)
    store.turn("w2", sources=[QUEUE], max_jobs=4)
    assert num_messages(store) == 0


def test_a_worker_that_can_start_none_does_not_wake_itself_again_and_again(store: JobStore) -> None:
    late = submit(store)
    pass_deadline(store, late)
    take_message(store)
    store.turn("w1", sources=[QUEUE])
    assert num_messages(store) == 0


def test_the_next_submit_replaces_a_lost_message(store: JobStore) -> None:
    submit(store)
    take_message(store)
    submit(store)
    assert num_messages(store) == 1


def test_the_reaper_replaces_lost_messages_and_no_others(store: JobStore) -> None:
    models = [f"m{number}" for number in range(250)]
    for model in models:
        submit(store, model=model)
    assert store.reap() == (0, 0)
    for model in models[:130]:
        take_message(store, queue_of(model))
    assert store.reap() == (0, 130)
    assert [num_messages(store, queue_of(model)) for model in models] == [1] * 250


@pytest.mark.parametrize("leave", ["release", "lease"])
def test_a_job_that_comes_back_to_its_queue_has_a_message(store: JobStore, leave: str) -> None:
    taken = claimed(store)
    if leave == "release":
        store.release([taken])
    else:
        come_due(store, taken.id)
        store.reap()
    assert (num_messages(store), num_messages(store, SUSPECTS)) == ((1, 0) if leave == "release" else (0, 1))


def test_where_no_job_waits_the_reaper_forgets_the_queue(store: JobStore) -> None:
    """The model may have been removed. Its jobs expire, and nothing else would take its message."""
    job_id = submit(store)
    pass_deadline(store, job_id)
    assert store.client.smembers(f"{PREFIX}queues") == {QUEUE.encode()}
    store.reap()
    assert not store.client.exists(f"{PREFIX}queues", QUEUE)
    submit(store)
    take_message(store)
    assert store.reap() == (0, 1)


def test_many_messages_of_an_older_version_become_one(store: JobStore) -> None:
    job_id = submit(store)
    take_message(store)
    store.client.lpush(QUEUE, *["a message"] * 500)
    assert store.reap() == (0, 1)
    assert store.client.llen(QUEUE) == 1
    store.cancel(job_id, TENANT)
    store.reap()
    assert num_messages(store) == 0


def test_each_message_has_a_tag_of_its_own(store: JobStore) -> None:
    """kombu keeps unacknowledged messages by tag, so a duplicate tag would overwrite another message."""
    tags = set()
    submit(store)
    for number in range(20):
        submit(store)
        submit(store, model=f"m{number}")
        tags |= {store.client.rpop(QUEUE), store.client.rpop(newcomers_of(queue_of(f"m{number}")))}
    assert len(tags) == 40 and None not in tags


def test_concurrent_reapers_replace_a_message_once(store: JobStore) -> None:
    submit(store)
    take_message(store)
    assert sum(replaced for _, replaced in all_at_once(8, lambda _: store.reap())) == 1


def test_cancelled_jobs_leave_no_messages_behind(store: JobStore) -> None:
    """Clients that submit and cancel while no worker is alive must not fill the memory."""
    for _ in range(50):
        store.cancel(submit(store), TENANT)
    assert waiting(store) == [] and num_messages(store) <= 1
    store.reap()
    assert num_messages(store) == 0


def test_something_else_in_the_place_of_the_messages_stops_nobody(store: JobStore) -> None:
    for name in (QUEUE, newcomers_of(QUEUE)):
        store.client.set(name, "not a list")
    job_id, _ = submit(store), submit(store)
    assert num_messages(store) == 2
    assert store.succeed(claim(store, job_id), ANSWER)


def test_the_messages_of_models_with_similar_names_are_apart(store: JobStore) -> None:
    submit(store, model="tiny")
    for _ in range(2):
        submit(store, model="tiny.new")
    queues = [queue_of("tiny"), queue_of("tiny.new")]
    assert [store.client.llen(queue) for queue in queues] == [0, 1]
    assert [store.client.llen(newcomers_of(queue)) for queue in queues] == [1, 1]
    sources = Sources()
    sources.wake(queues[1])
    assert sources.next(frozenset(), ()) == [queues[1]]
