"""What admission depends on, read in one round trip."""

import redis

from contracts.cards import WorkerCard
from contracts.jobs import LANES
from contracts.price.estimate import Consumed
from contracts.store.queues.load_reader import LoadReader
from contracts.store.registry import Registry
from tests.redis.builders import ANSWER, MODEL, QUEUE, TENANT, claimed, submit
from tests.support.job_store import JobStore

CARD = WorkerCard(
    id="w1", host="h", pid=1, models=[MODEL], started_at=0.0, running=0, num_batches=0, num_rows=0, real_tokens=0,
    padded_tokens=0, rss_bytes=0, speed=2.5,
)  # fmt: skip


def test_workers_are_those_that_are_alive_and_others_are_forgotten(client: redis.Redis) -> None:
    registry, reader = Registry(client), LoadReader(client)
    registry.beat(CARD, ttl_s=60)
    client.sadd("triptych:workers", "gone", "broken")
    client.set("triptych:worker:broken", b"{")
    reader.read([MODEL])
    assert reader.read([MODEL]).workers == [CARD]
    assert client.smembers("triptych:workers") == {b"w1", b"broken"}


def test_work_is_read_by_model_and_lane(store: JobStore) -> None:
    for lane, price_s in (("interactive", 1.0), ("bulk", 2.0), ("bulk", 4.0)):
        submit(store, lane=lane, price_s=price_s)
    claimed(store, lane="default", price_s=8.0)
    shares = LoadReader(store.client).read([MODEL, "other"]).shares
    assert shares[MODEL].num == {"interactive": 1, "default": 0, "bulk": 2}
    assert shares[MODEL].work == {"interactive": 1.0, "default": 0.0, "bulk": 6.0}
    assert (shares[MODEL].running, shares["other"].num_waiting) == (8.0, 0)


def test_what_lanes_were_given_is_known_after_the_queue_was_idle(store: JobStore) -> None:
    for lane in LANES[1:]:
        store.cancel(submit(store, lane="interactive", price_s=5.0), TENANT)
        claim = claimed(store, lane=lane, price_s=2.0)
        assert store.succeed(claim, ANSWER, Consumed(work_s=3.0))
    served = LoadReader(store.client).read([MODEL, "other"]).served
    # What was started, at its price, and then the truth.
    assert served == {MODEL: {"interactive": 0.0, "default": 3.0, "bulk": 3.0}, "other": dict.fromkeys(LANES, 0.0)}


def test_other_types_count_as_nothing(client: redis.Redis) -> None:
    client.set(f"triptych:shares:{QUEUE}", "text")
    client.hset("triptych:served", f"{MODEL}|bulk", "text")
    loads = LoadReader(client).read([MODEL])
    assert (loads.shares[MODEL].num_waiting, loads.served[MODEL]["bulk"]) == (0, 0.0)
