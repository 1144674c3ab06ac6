"""410 or 404: nothing is kept of a job that is gone, so its id must tell."""

import pytest

from contracts.errors import JobGone, JobNotFound
from contracts.job_ids import new_job_id
from contracts.store.clock import store_time
from contracts.store.job_reader import GONE_S
from contracts.store.keys import PREFIX
from tests.redis.builders import TENANT, submit
from tests.support.job_store import JobStore

DAY_S = 24 * 3600


def test_no_key_is_left_of_a_job_that_was_deleted(store: JobStore) -> None:
    before = set(store.client.keys())
    job_id = submit(store)
    store.delete(job_id, TENANT)
    store.reap()
    # The number of jobs that have ended, when a reaper has looked, and the ledger.
    left = {key.decode().split(":")[1] for key in set(store.client.keys()) - before}
    assert left == {"finished", "reaped_at", "usage", "usage_tenants"}
    for call in (store.read, store.state, store.cancel, store.delete):
        with pytest.raises(JobGone):
            call(job_id, TENANT)
        with pytest.raises(JobNotFound):
            call(job_id, "other")


@pytest.mark.parametrize(("age_s", "error"), [(0, JobGone), (GONE_S - 60, JobGone), (GONE_S + 60, JobNotFound)])
def test_an_id_is_known_for_fifteen_days(store: JobStore, age_s: float, error: type[Exception]) -> None:
    """The longest deadline_s, the longest ttl_s, and then at least the week that was always promised."""
    assert GONE_S >= (1 + 7 + 7) * DAY_S
    job_id = new_job_id(TENANT, store_time(store.client) - age_s)
    with pytest.raises(error):
        store.read(job_id, TENANT)


def test_ages_are_counted_by_the_corrected_clock(store: JobStore) -> None:
    store.client.set(f"{PREFIX}clock", str(-100 * DAY_S))
    job_id = new_job_id(TENANT, store_time(store.client))
    with pytest.raises(JobGone):
        store.read(job_id, TENANT)
    store.client.delete(f"{PREFIX}clock")
    with pytest.raises(JobNotFound):
        store.read(job_id, TENANT)


def test_an_id_that_was_never_made_is_not_found(store: JobStore) -> None:
    with pytest.raises(JobNotFound):
        store.read("A" * 22, TENANT)
