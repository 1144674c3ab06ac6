"""Step 8: listings, events and metrics as clients and operators see them."""

from collections.abc import Callable

import msgspec
import pytest

from contracts.errors import InvalidRequest, TriptychError
from contracts.jobs import Job
from contracts.store.attempts.outcomes import succeeded
from contracts.store.changes import changes_from
from contracts.store.keys import PREFIX, wake_channel
from tests.redis.builders import ANSWER, MODEL, TENANT, age, claim, claimed, come_due, submit
from tests.support.job_store import JobStore
from tests.support.waiting import PATIENCE_S, wait_until


def pages(store: JobStore, limit: int, **filters: str | None) -> list[list[Job]]:
    """Follow the cursor to the end."""
    found, after = [], None
    while True:
        jobs, after = store.page(
            TENANT, status=filters.get("status"), task=filters.get("task"), after=after, limit=limit
        )
        found.append(jobs)
        if after is None:
            return found


@pytest.mark.parametrize("limit", [1, 3, 7, 100])
def test_pages_hold_every_job_once_newest_first(store: JobStore, limit: int) -> None:
    ids = [submit(store) for _ in range(7)]
    submit(store, tenant="other")
    found = pages(store, limit)
    assert [job.id for page in found for job in page] == ids[::-1]
    assert all(len(page) <= limit for page in found)


@pytest.mark.parametrize("num_jobs", [5, 250])
def test_jobs_of_the_same_instant_are_neither_lost_nor_duplicated(store: JobStore, num_jobs: int) -> None:
    ids = [submit(store) for _ in range(num_jobs)]
    store.client.zadd(f"{PREFIX}jobs:{TENANT}", dict.fromkeys(ids, 1_795_000_000.123457))
    found = [job.id for page in pages(store, 2) for job in page]
    assert sorted(found) == sorted(ids)


def test_a_listing_filters_by_state_and_task(store: JobStore) -> None:
    embed, classify = claimed(store), claimed(store, task="classify")
    store.succeed(embed, ANSWER)
    submit(store)
    assert [job.id for page in pages(store, 10, status="succeeded") for job in page] == [embed.id]
    assert [job.id for page in pages(store, 10, task="classify") for job in page] == [classify.id]
    assert pages(store, 10, status="succeeded", task="classify") == [[]]


def test_a_page_with_a_rare_filter_ends_early_and_goes_on_later(store: JobStore) -> None:
    rare = submit(store, task="classify")
    for _ in range(45):
        submit(store)
    found = pages(store, 1, task="classify")
    assert len(found) > 1
    assert [job.id for page in found for job in page] == [rare]


def test_a_page_with_a_rare_filter_ends_when_its_time_is_over(store: JobStore) -> None:
    rare = [submit(store, task="classify"), *(submit(store) for _ in range(250))][0]
    # Equal times are one more thing that must not keep a page from getting on.
    store.client.zadd(
        f"{PREFIX}jobs:{TENANT}", {row: 1e9 for row in store.client.zrange(f"{PREFIX}jobs:{TENANT}", 0, -1)}
    )
    found, after = [], None
    for _ in range(250):
        jobs, after = store.page(TENANT, status=None, task="classify", after=after, limit=100, max_s=0.0)
        found.append([job.id for job in jobs])
        if after is None:
            break
    assert [job_id for page in found for job_id in page] == [rare]
    assert len(found) > 2, "a page went on after its time"


def test_pages_and_states_read_no_output(store: JobStore) -> None:
    ended = [claimed(store) for _ in range(10)]
    for claim_ in ended:
        store.succeed(claim_, msgspec.structs.replace(ANSWER, output=b"[" + b"1," * 500_000 + b"1]"))

    def sent() -> int:
        return int(store.client.info("stats")["total_net_output_bytes"])

    before = sent()
    assert len(pages(store, 4, status="succeeded")[0]) == 4
    assert len(pages(store, 4)[0]) == 4
    assert all(store.state(claim_.id, TENANT).finished for claim_ in ended)
    store.cancel(ended[0].id, TENANT)
    store.delete(ended[0].id, TENANT)
    assert sent() - before < 100_000


def test_jobs_that_arrive_while_a_listing_is_read_do_not_shift_it(store: JobStore) -> None:
    ids = [submit(store) for _ in range(6)]
    first, after = store.page(TENANT, status=None, task=None, after=None, limit=3)
    submit(store)
    second, _ = store.page(TENANT, status=None, task=None, after=after, limit=3)
    assert [job.id for job in first + second] == ids[::-1]


def test_events_are_complete_and_in_order(store: JobStore) -> None:
    first = claimed(store, num_inputs=2, followed=True)
    store.progress([(first, 1, 2)])
    come_due(store, first.id)
    store.reap()
    second = claim(store, first.id, "w2")
    store.fail(second, TriptychError())
    events = store.events(first.id, "0")
    assert [event.name for event in events] == ["queued", "started", "progress", "queued", "started", "failed"]
    assert [event.fields["attempt"] for event in events] == ["0", "1", "1", "1", "2", "2"]
    assert (events[2].fields["done"], events[2].fields["total"]) == ("1", "2")
    assert sorted(events, key=lambda event: tuple(map(int, event.id.split("-")))) == events


def test_a_reader_resumes_after_the_last_event_it_saw(store: JobStore) -> None:
    taken = claimed(store, followed=True)
    seen = store.events(taken.id, "0")
    assert store.events(taken.id, seen[-1].id) == []
    store.succeed(taken, ANSWER)
    assert [event.name for event in store.events(taken.id, seen[-1].id)] == ["succeeded"]
    assert [event.name for event in store.events(taken.id, seen[0].id)] == ["started", "succeeded"]
    assert store.events("A" * 22, "0") == []


@pytest.mark.parametrize("after", ["", "x", "-", "+", "$", "0-", "-1", "1-2-3", "9" * 30, "0\n", "(0", "1.5"])
def test_an_invalid_event_id_is_the_clients_error(store: JobStore, after: str) -> None:
    job_id = submit(store)
    with pytest.raises(InvalidRequest):
        store.events(job_id, after)


@pytest.mark.parametrize("after", ["0-0", "9" * 15, "9" * 15 + "-" + "9" * 15])
def test_an_event_id_that_does_not_exist_is_a_valid_position(store: JobStore, after: str) -> None:
    assert len(store.events(submit(store, followed=True), after)) == (1 if after == "0-0" else 0)


def heard(store: JobStore, channel: str, num_messages: int, act: Callable[[], None]) -> list[str]:
    """Return the states that each message on a channel tells while something is done."""
    return [
        " ".join(f"{change.job_id}:{change.status}" for change in changes_from(message))
        for message in published(store, channel, num_messages, act)
    ]


def published(store: JobStore, channel: str, num_messages: int, act: Callable[[], None]) -> list[bytes]:
    """Return the messages on a channel while something is done."""
    found: list[bytes] = []
    with store.client.pubsub(ignore_subscribe_messages=True) as listener:
        listener.subscribe(channel)
        listener.get_message(timeout=PATIENCE_S)
        act()
        store.client.publish(channel, "the end")

        def all_heard() -> bool:
            message = listener.get_message(timeout=0.1)
            if message:
                found.append(message["data"])
            return found[-1:] == [b"the end"]

        wait_until(all_heard, "a wake-up is missing")
    assert len(found) == num_messages + 1
    return found[:-1]


def test_every_change_wakes_the_gateway_that_waits_and_says_what_the_state_is_now(store: JobStore) -> None:
    ids = []

    def act() -> None:
        taken = claimed(store, wake=wake_channel("g1"))
        ids.append(taken.id)
        store.progress([(taken, 1, 2)])
        store.succeed(taken, ANSWER)

    states = heard(store, wake_channel("g1"), 3, act)
    assert states == [f"{ids[0]}:running", f"{ids[0]}:running", f"{ids[0]}:succeeded"]


def test_one_message_tells_a_gateway_of_all_jobs_that_a_call_has_changed(store: JobStore) -> None:
    claims = [claimed(store, wake=wake_channel("g1")) for _ in range(3)]

    def act() -> None:
        store.turn("w1", [succeeded(taken, ANSWER) for taken in claims])

    (message,) = heard(store, wake_channel("g1"), 1, act)
    assert message.split() == [f"{taken.id}:succeeded" for taken in claims]


def test_a_job_that_nobody_waits_for_wakes_nobody(store: JobStore) -> None:
    store.client.config_resetstat()
    store.succeed(claimed(store), ANSWER)
    assert "cmdstat_publish" not in store.client.info("commandstats")


def test_deleting_a_job_wakes_those_who_wait_for_it(store: JobStore) -> None:
    job_id = submit(store, wake=wake_channel("g1"))
    assert heard(store, wake_channel("g1"), 1, lambda: store.delete(job_id, TENANT)) == [f"{job_id}:cancelled"]


def test_depth_and_age_of_a_queue_count_suspects_too(store: JobStore) -> None:
    assert store.depth(MODEL) == (0, 0.0)
    suspect, old = claimed(store), submit(store)
    age(store, old, 100)
    come_due(store, suspect.id)
    store.reap()
    num_waiting, oldest_s = store.depth(MODEL)
    assert num_waiting == 2
    assert 100 <= oldest_s < 100 + PATIENCE_S


def test_the_position_of_a_suspect_is_counted_in_jobs(store: JobStore) -> None:
    claims = [claimed(store) for _ in range(9)]
    come_due(store, *(taken.id for taken in claims))
    store.reap()
    jobs = [store.read(taken.id, TENANT) for taken in claims]
    assert sorted(store.place(job).position for job in jobs) == list(range(9))
    assert store.depth(MODEL)[0] == 9


def test_finished_jobs_are_counted_by_model_and_state(store: JobStore) -> None:
    store.succeed(claimed(store), ANSWER)
    store.succeed(claimed(store), ANSWER)
    store.fail(claimed(store, model="a|b"), TriptychError())
    assert store.num_finished() == {("minilm", "succeeded"): 2, ("a|b", "failed"): 1}
