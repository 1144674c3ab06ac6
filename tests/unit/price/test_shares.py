"""What is learned of texts: soon right, and never by one tenant alone once there are others."""

import pytest

from workers.runtime.price.shares import MAX_TENANTS, SETTLING, Share


def see(share: Share, tenant: str, value: float, num_jobs: int, whole: float = 100.0) -> None:
    for _ in range(num_jobs):
        share.see(tenant, whole, value * whole)


def test_what_is_known_holds_until_jobs_show_something_else() -> None:
    share = Share(0.3, 400)
    assert share.learned() == 0.3 and not share.was_seen
    see(share, "a", 0.2, 1)
    assert 0.27 < share.learned() < 0.3
    see(share, "a", 0.2, 1000)
    assert share.learned() == pytest.approx(0.2, abs=0.02)


def test_a_single_tenant_is_believed_once_it_has_shown_enough() -> None:
    share = Share(1.0, 4)
    see(share, "default", 0.1, 50, whole=1.0)
    assert share.learned() < 0.2


def test_a_flood_of_one_tenant_counts_no_more_than_the_jobs_of_the_others() -> None:
    share = Share(0.25, 400)
    for _ in range(20):
        see(share, "a", 0.25, 50)
        share.learned()
        see(share, "hostile", 4.0, 1000)
    assert 0.25 < share.learned() <= (0.25 + 4.0) / 2 + 0.01


def test_the_more_tenants_there_are_the_less_one_of_them_moves() -> None:
    few, many = Share(0.25, 400), Share(0.25, 400)
    for share, tenants in ((few, "ab"), (many, "abcdefgh")):
        for tenant in tenants:
            see(share, tenant, 0.25, 100)
        see(share, "hostile", 4.0, 100)
    assert many.learned() < few.learned()


def test_a_tenant_that_comes_later_is_heard_soon() -> None:
    share = Share(0.3, 400)
    for _ in range(10):
        see(share, "hostile", 4.0, 10 * SETTLING)
        share.learned()
    see(share, "b", 0.25, 200)
    assert share.learned() < 2.5, "all that was known came from the other one, and half of it counts"


def test_space_is_bounded_and_those_that_are_not_seen_go() -> None:
    share = Share(0.3, 400)
    see(share, "old", 9.0, 1)
    for number in range(MAX_TENANTS):
        see(share, f"t{number}", 0.3, 1)
    assert len(share._seen) == MAX_TENANTS and "old" not in share._seen
