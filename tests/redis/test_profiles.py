"""What models cost is kept for an hour after their workers have gone, and the last profile for longer."""

import time

import msgspec
import pytest
import redis

from contracts.price.profile import ModelProfile
from contracts.store.profiles import MAX_AGE_S, MAX_WORKERS, KeptProfile, Profiles, price_list
from contracts.store.registry import MODEL_TTL_S
from tests.redis.records.test_keys import check_keys

KEY = "triptych:profiles:minilm"


@pytest.fixture
def profiles(client: redis.Redis) -> Profiles:
    return Profiles(client)


def profile(token_in_s: float = 0.001, num_jobs: float = 0.0) -> ModelProfile:
    return ModelProfile(token_in_s=token_in_s, num_jobs=num_jobs)


def make_older(client: redis.Redis, worker: str, seconds: float) -> None:
    kept = msgspec.json.decode(client.hget(KEY, worker), type=KeptProfile)
    client.hset(KEY, worker, msgspec.json.encode(msgspec.structs.replace(kept, seen_at=kept.seen_at - seconds)))


def test_an_empty_store_has_no_prices(profiles: Profiles) -> None:
    assert profiles.read(["minilm"]) == {"minilm": {}}
    assert price_list(profiles.read(["minilm"])) == {}
    assert profiles.read([]) == {}


def test_one_profile_prices_the_jobs_of_all_workers(profiles: Profiles, client: redis.Redis) -> None:
    profiles.write("slow", 0.5, {"minilm": profile(0.003)})
    merged = profiles.write("fast", 4.0, {"minilm": profile(0.001), "other": profile(1.0)})
    assert merged["minilm"].token_in_s == pytest.approx(0.002) and merged["other"].token_in_s == 1.0
    found = profiles.read(["minilm", "other", "unknown"])
    assert price_list(found) == merged
    assert {worker: kept.speed for worker, kept in found["minilm"].items()} == {"slow": 0.5, "fast": 4.0}
    assert check_keys(client) == {"profiles:<model>"}
    assert client.ttl(KEY) == pytest.approx(MODEL_TTL_S, abs=10)


def test_a_worker_is_known_since_it_said_something_first(profiles: Profiles) -> None:
    for _ in range(2):
        profiles.write("w", 1.0, {"minilm": profile()})
    kept = profiles.read(["minilm"])["minilm"]["w"]
    assert 0 < kept.since < kept.seen_at


def test_a_worker_counts_for_an_hour_and_the_last_one_until_there_is_another(
    profiles: Profiles, client: redis.Redis
) -> None:
    for worker in ("oldest", "old"):
        profiles.write(worker, 1.0, {"minilm": profile()})
    make_older(client, "oldest", 3 * MAX_AGE_S)
    assert profiles.read(["minilm"])["minilm"].keys() == {"old"}
    make_older(client, "old", 2 * MAX_AGE_S)
    assert profiles.read(["minilm"])["minilm"].keys() == {"old"}
    profiles.write("new", 1.0, {"minilm": profile()})
    assert profiles.read(["minilm"])["minilm"].keys() == {"new"}
    assert client.hkeys(KEY) == [b"new"]


def test_many_workers_take_bounded_space_and_none_that_cannot_be_read(profiles: Profiles, client: redis.Redis) -> None:
    client.hset(KEY, mapping={"odd": b"{", b"\xff": b"[]"})
    for number in range(MAX_WORKERS + 5):
        profiles.write(f"w{number}", 1.0, {"minilm": profile()})
    assert client.hlen(KEY) == MAX_WORKERS
    assert profiles.read(["minilm"])["minilm"].keys() == {f"w{number}" for number in range(5, MAX_WORKERS + 5)}


@pytest.mark.parametrize(
    "wrong",
    [
        *({"written": [1.0] * 20}, {"row_s": -1.0}, {"token_in_s": 1e300}, {"written": [1.0] * 20 + [-0.5]}),
        *({"row_s": 1e9}, {"num_jobs": 1e9}),
    ],
)
def test_a_profile_of_which_no_price_can_be_made_hides_no_other(
    profiles: Profiles, client: redis.Redis, wrong: dict[str, object]
) -> None:
    broken = KeptProfile(msgspec.structs.replace(profile(0.5), **wrong), speed=1.0, seen_at=time.time())
    client.hset(KEY, "other", msgspec.json.encode(broken))
    for _ in range(2):
        assert profiles.write("w", 1.0, {"minilm": profile()})["minilm"] == profile()
        assert price_list(profiles.read(["minilm"])) == {"minilm": profile()}
        profiles.write("other", 1.0, {"minilm": broken.profile})


def test_a_profile_of_a_time_to_come_does_not_count_for_ever(profiles: Profiles, client: redis.Redis) -> None:
    profiles.write("ghost", 1.0, {"minilm": profile(0.5)})
    make_older(client, "ghost", -9e12)
    assert profiles.read(["minilm"])["minilm"].keys() == {"ghost"}, "as long as there is no other"
    profiles.write("old", 1.0, {"minilm": profile()})
    make_older(client, "old", 2 * MAX_AGE_S)
    assert profiles.read(["minilm"])["minilm"].keys() == {"old"}
    assert profiles.write("new", 1.0, {"minilm": profile()})["minilm"] == profile()
    assert client.hkeys(KEY) == [b"new"]


def test_something_else_that_is_stored_for_a_model_hides_no_other_and_is_replaced(
    profiles: Profiles, client: redis.Redis
) -> None:
    profiles.write("w", 1.0, {"other": profile()})
    client.set(KEY, "what is this")
    assert price_list(profiles.read(["minilm", "other"])) == {"other": profile()}
    client.set(KEY, "what is this")
    assert profiles.write("w", 1.0, {"minilm": profile()}) == {"minilm": profile()}
    assert profiles.read(["minilm"])["minilm"].keys() == {"w"}
