"""What is given back, because prices were too high or jobs were released, lets nobody catch up for hours."""

import pytest

from tests.redis.builders import QUEUE, waiting
from tests.redis.shares.taking import end, flood, take
from tests.redis.shares.test_healing import figures
from tests.support.job_store import JobStore

MEMORY_S = 10.0
"""As in lua/shares/flows.lua."""


def work_before_b(store: JobStore, work_s: float) -> float:
    """Let B come, and return the work that A is given before B has its first job."""
    flood(store, 5, "b", 1.0)
    given_s = 0.0
    while (claim := take(store, 1)[0]).tenant == "a":
        end(store, [claim], work_s)
        given_s += work_s
        assert given_s < 100
    return given_s


def test_jobs_that_were_priced_too_high_give_no_credit_against_newcomers(store: JobStore) -> None:
    flood(store, 150, "a", 100.0)
    end(store, take(store, 16, at_once=16), work_s=1.0)
    assert work_before_b(store, 1.0) <= MEMORY_S + 1


def test_released_jobs_give_no_credit_against_newcomers(store: JobStore) -> None:
    flood(store, 150, "a", 1.0)
    store.release(take(store, 64, at_once=16))
    assert work_before_b(store, 1.0) <= MEMORY_S + 1


def test_a_lane_has_no_credit_that_others_wait_for(store: JobStore) -> None:
    flood(store, 300, "a", 100.0)
    end(store, take(store, 64, at_once=16), work_s=1.0)
    flood(store, 40, "b", 10.0, lane="interactive")
    order = ""
    while order.count("i") < 40:
        claim = take(store, 1)[0]
        end(store, [claim], work_s=1.0 if claim.tenant == "a" else None)
        order += claim.lane[0]
        assert "d" * 16 not in order, order


@pytest.mark.parametrize("num_taken", [2, 3])
def test_a_job_taken_by_its_id_before_its_queue_counts_once(store: JobStore, num_taken: int) -> None:
    """So workers take a job that waits for memory."""
    ids = flood(store, 3, "a", 1.0)
    claims = store.turn("w1", sources=[ids[0], QUEUE], max_jobs=num_taken).claims
    assert [claim.id for claim in claims] == ids[:num_taken]
    assert figures(store)["num:default"] == len(waiting(store)) == 3 - num_taken
    end(store, claims)
    assert [claim.id for claim in take(store, 3)] == ids[num_taken:]


def test_shares_stay_while_jobs_wait_whatever_was_counted(store: JobStore) -> None:
    """Without them, a flow that has been given much would wait for as much of a newcomer."""
    flood(store, 30, "a", 10.0)
    end(store, take(store, 28))
    store.client.hset(f"triptych:shares:{QUEUE}", "num:default", 1)
    end(store, take(store, 1))
    flood(store, 30, "b", 10.0)
    assert "a" in [claim.tenant for claim in take(store, 4)]
