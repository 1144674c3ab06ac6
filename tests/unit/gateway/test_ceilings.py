"""Tokens of one request: counted as the model writes them, for each piece and each beam."""

import pytest

from contracts.errors import LimitExceeded
from contracts.limits import TenantLimits
from contracts.price.demand import Demand
from contracts.price.profile import ModelProfile
from services.gateway.limits.book import effective
from services.gateway.limits.ceilings import Asked, check_ceilings
from services.gateway.tenant_settings import TenantSettings

PROFILE = ModelProfile(token_out_s=0.001, tokens_per_char=0.5, tokens_per_piece=10.0, num_beams=4)
LIMITS = effective("acme", TenantLimits(max_tokens=1000), TenantSettings())


def check(demand: Demand, profile: ModelProfile | None = PROFILE) -> None:
    check_ceilings(Asked({}, demand, profile, 0), LIMITS)


def test_each_piece_of_an_input_may_have_so_many_tokens() -> None:
    text = Demand(num_rows=1, num_chars=2000, is_split=True, num_sequences=1, follows_input=True, max_new_tokens=10)
    check(text)
    with pytest.raises(LimitExceeded, match="about 101 pieces of the inputs x 1 sequences x 10 new tokens are 1010"):
        check(Demand(num_rows=1, num_chars=2020, is_split=True, num_sequences=1, max_new_tokens=10))
    whole = Demand(num_rows=1, num_chars=10**6, num_sequences=1, max_new_tokens=1000)
    check(whole)
    check(whole, None)


def test_the_models_own_beams_count() -> None:
    check(Demand(num_rows=25, num_sequences=None, max_new_tokens=10))
    with pytest.raises(LimitExceeded, match="26 inputs x 4 sequences x 10 new tokens are 1040"):
        check(Demand(num_rows=26, num_sequences=None, max_new_tokens=10))


def test_what_limits_the_tokens_is_named() -> None:
    """Also where a request has left it to its default."""
    for demand, field in (
        (Demand(num_rows=11, num_sequences=1, max_new_tokens=100), "parameters.max_new_tokens"),
        (Demand(num_rows=11, num_sequences=1, follows_input=True, max_new_tokens=100),
         "parameters.generate_parameters.max_new_tokens"),
        (Demand(num_rows=11, num_sequences=1, follows_input=True, min_new_tokens=100),
         "parameters.generate_parameters.min_new_tokens"),
    ):  # fmt: skip
        with pytest.raises(LimitExceeded, match=f"or set {field} lower: max_tokens is 1000"):
            check(demand)


def test_what_has_set_a_limit_is_named() -> None:
    demand = Demand(num_rows=11, num_sequences=1, max_new_tokens=100)
    with pytest.raises(LimitExceeded, match=r"max_tokens is 1000 .set by 'keys limits --tenant acme'.\."):
        check(demand)
    settings = TenantSettings(tenant_max_tokens=900)
    limits = effective("acme", TenantLimits(weight=2.0), settings)
    with pytest.raises(LimitExceeded, match=r"max_tokens is 900 .set by TRIPTYCH_TENANT_MAX_TOKENS.\."):
        check_ceilings(Asked({}, demand, PROFILE, 0), limits)


def test_the_least_tokens_count_where_there_is_no_other_limit() -> None:
    with pytest.raises(LimitExceeded, match="11 inputs x 1 sequences x 100 new tokens"):
        check(Demand(num_rows=11, num_sequences=1, follows_input=True, min_new_tokens=100))
