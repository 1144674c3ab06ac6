"""An id says itself when it was made and for whom, and can't be guessed."""

import base64
import collections
import random

import pytest

from contracts.job_ids import JOB_ID, age_of, new_job_id

NOW = 1_795_000_000.5
DAY_S = 24 * 3600
WRAP_S = 1 << 24


def test_an_id_is_as_long_as_ever_and_none_comes_twice() -> None:
    ids = {new_job_id("acme", NOW) for _ in range(10_000)}
    assert len(ids) == 10_000
    assert all(JOB_ID.fullmatch(job_id) and len(job_id) == 22 for job_id in ids)


@pytest.mark.parametrize("age_s", [0, 1, 59, DAY_S, 15 * DAY_S, 100 * DAY_S])
@pytest.mark.parametrize("tenant", ["acme", "", "é\ud7ff", "a" * 200, "a b"])
def test_an_id_tells_its_age_to_its_tenant(tenant: str, age_s: float) -> None:
    assert age_of(new_job_id(tenant, NOW), tenant, NOW + age_s) == pytest.approx(age_s, abs=1)


def test_to_other_tenants_it_tells_nothing() -> None:
    ids = [new_job_id("acme", NOW) for _ in range(20_000)]
    for other in ("acm", "acme ", "Acme", ""):
        num_known = sum(age_of(job_id, other, NOW) is not None for job_id in ids)
        assert num_known < 20, "4,096 tags: about 5 of 20,000 fit by chance"


def test_ids_of_older_versions_fit_by_chance_only() -> None:
    """They are 128 random bits: once in 4,096 times, and then their age is random as well."""
    chance = random.Random(1)
    ids = [base64.urlsafe_b64encode(chance.randbytes(16)).decode()[:22] for _ in range(20_000)]
    ages = [age for job_id in ids if (age := age_of(job_id, "acme", NOW)) is not None]
    assert len(ages) < 20
    assert sum(age < 15 * DAY_S for age in ages) < 5


def test_each_letter_counts() -> None:
    job_id = new_job_id("acme", NOW)
    for place in range(22):
        others = [job_id[:place] + letter + job_id[place + 1 :] for letter in "AZaz09-_" if letter != job_id[place]]
        ages = [age_of(other, "acme", NOW) for other in others]
        assert ages.count(None) >= len(ages) - 1, f"letter {place} can be changed"


def test_tags_are_evenly_distributed() -> None:
    ids = [new_job_id("acme", NOW + number) for number in range(40_960)]
    tags = collections.Counter(job_id[4:6] for job_id in ids)  # bits 24 to 35
    assert len(tags) > 4000 and max(tags.values()) < 40


@pytest.mark.parametrize("made_at", [0, WRAP_S - 1, 107 * WRAP_S - 2])
def test_the_age_is_right_when_the_time_in_ids_begins_again(made_at: float) -> None:
    job_id = new_job_id("acme", made_at)
    for age_s in (0, 5, 3 * DAY_S):
        assert age_of(job_id, "acme", made_at + age_s) == age_s


def test_an_id_from_up_to_an_hour_ahead_is_new() -> None:
    """Each gateway estimates the store's time, and the store's clock may be set back."""
    job_id = new_job_id("acme", NOW + 3000)
    assert age_of(job_id, "acme", NOW) == 0
    assert age_of(new_job_id("acme", NOW + 3 * 3600), "acme", NOW) == pytest.approx(WRAP_S - 3 * 3600, abs=1)
