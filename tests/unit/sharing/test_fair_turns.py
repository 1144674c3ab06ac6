"""Start-time fair queueing: shares by weights, no debt or credit for who was away, nothing kept of who is gone."""

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workers.runtime.sharing.fair_turns import FairTurns


def serve(turns: FairTurns[str], amounts: dict[str, float], num_turns: int) -> Counter[str]:
    """Give flows that always have work so many turns; return what each has got."""
    got: Counter[str] = Counter()
    for _ in range(num_turns):
        flow = turns.first(amounts.__contains__)
        assert flow is not None
        turns.charge(flow, amounts[flow])
        got[flow] += int(amounts[flow])
    return got


def test_flows_get_amounts_by_their_shares_whatever_each_takes_in_a_turn() -> None:
    turns: FairTurns[str] = FairTurns()
    turns.join("small", 1.0)
    turns.join("large", 1.0)
    turns.join("heavy", 4.0)
    got = serve(turns, {"small": 1, "large": 100, "heavy": 10}, 6000)
    assert got["large"] == pytest.approx(got["small"], rel=0.1)
    assert got["heavy"] == pytest.approx(4 * got["small"], rel=0.1)


def test_a_flow_that_comes_is_next_and_has_no_credit_for_the_time_before() -> None:
    turns: FairTurns[str] = FairTurns()
    turns.join("old", 1.0)
    serve(turns, {"old": 5}, 1000)
    turns.join("new", 1.0)
    assert turns.first(lambda flow: True) == "new"
    got = serve(turns, {"old": 5, "new": 5}, 100)
    assert abs(got["old"] - got["new"]) <= 5


def test_a_flow_gains_nothing_by_leaving_and_coming_back() -> None:
    turns: FairTurns[str] = FairTurns()
    turns.join("a", 1.0)
    turns.join("b", 1.0)
    turns.charge("a", 1000)  # in a turn of another flow, perhaps
    assert serve(turns, {"b": 10}, 50) == {"b": 500}
    turns.join("a", 1.0)
    assert serve(turns, {"a": 10, "b": 10}, 50) == {"b": 500}


def test_flows_without_work_are_forgotten_once_nobody_is_behind_them() -> None:
    turns: FairTurns[str] = FairTurns()
    for flow in "abc":
        turns.join(flow, 1.0)
        turns.charge(flow, ord(flow))
    assert turns.first(lambda flow: False) is None
    assert len(turns) == 0 and not turns._heap and not turns._shares


@settings(derandomize=True, deadline=None)
@given(st.lists(st.tuples(st.sampled_from("abcd"), st.integers(1, 50)), min_size=1, max_size=200))
def test_of_flows_that_always_have_work_none_is_ever_behind_by_more_than_a_turn(steps: list[tuple[str, int]]) -> None:
    turns: FairTurns[str] = FairTurns()
    for flow in "abcd":
        turns.join(flow, 1.0)
    for _, amount in steps:
        flow = turns.first(lambda flow: True)
        assert flow is not None
        turns.charge(flow, amount)
        assert max(turns._starts.values()) - min(turns._starts.values()) <= 50
