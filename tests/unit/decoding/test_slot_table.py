"""The books of a cache: which text lies where, who is let in, and when a text is moved."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.runtime.decoding.caches.slot_allocator import Places
from workers.runtime.decoding.caches.slot_table import TOKENS_PER_ROW, Move, Slots

MAX_TOKENS = 1000


def filled(*lengths: int) -> tuple[Slots, list[int]]:
    """Return slots with texts of these lengths in them, and their places."""
    slots, places = Slots(len(lengths), MAX_TOKENS), []
    for slot, length in enumerate(lengths):
        place = slots.take()
        assert place is not None
        places.append(place)
        slots.lengths[slot] = length
    return slots, places


def next_move(slots: Slots, places: list[int]) -> Move | None:
    return slots.move(slots.of(places, 1))


def test_a_new_text_gets_the_lowest_slot() -> None:
    slots, (first, second, third) = filled(5, 6, 7)
    assert slots.take() is None
    slots.leave(first)
    slots.leave(second)
    assert slots.lengths.tolist() == [0, 0, 7]
    newer, newest = slots.take(), slots.take()
    assert newer is not None and newest is not None
    assert slots.of([newest, third, newer], 1).tolist() == [1, 2, 0]
    assert slots.take() is None


def test_a_text_keeps_its_place_when_it_is_moved() -> None:
    slots, (first, second, third) = filled(5, 6, 7)
    slots.leave(second)
    move = next_move(slots, [third, first])
    assert move == Move(source=2, target=1, num_tokens=7)
    slots.moved(move)
    assert slots.of([first, third], 1).tolist() == [0, 1]
    assert slots.lengths.tolist() == [5, 7, 0]
    assert slots.take() == second, "the place that was free, which lies in slot 2 now"
    with pytest.raises(ValueError, match="slot 2 is free"):
        Slots(3, 9).moved(move)


def test_nothing_is_moved_where_no_free_slot_is_in_the_way() -> None:
    slots, (first, second, third) = filled(5, 6, 7)
    assert next_move(slots, [first, third]) is None, "the second reads its prompt, and rides along"
    slots.leave(first)
    assert next_move(slots, [second, third]) is None
    assert next_move(slots, [third]) is None


def test_a_long_text_is_moved_when_the_wasted_rows_have_cost_as_much() -> None:
    slots, places = filled(5, 6, 7, 5 * TOKENS_PER_ROW)
    slots.leave(places[1])
    steps = 0
    while next_move(slots, [places[0], places[2], places[3]]) is None:
        steps += 1
    assert steps == 4
    slots, places = filled(5, 6, 7, 5 * TOKENS_PER_ROW)
    slots.leave(places[1])
    for _ in range(4):
        assert next_move(slots, [places[0], places[3]]) is None
    newer = slots.take()
    assert next_move(slots, [places[0], places[3]]) is None
    assert newer is not None
    slots.leave(newer)
    assert next_move(slots, [places[0], places[3]]) is None, "what the last hole cost is forgotten"


def test_one_text_is_moved_a_step() -> None:
    slots, places = filled(*[10] * 8)
    for place in places[1:5]:
        slots.leave(place)
    moves = []
    rest = [places[0], *places[5:]]
    while move := next_move(slots, rest):
        slots.moved(move)
        moves.append(move[:2])
    assert moves == [(7, 1), (6, 2), (5, 3)]
    assert sorted(slots.of(rest, 1)) == [0, 1, 2, 3]


def test_texts_that_have_no_room_or_come_twice_are_refused() -> None:
    slots, (first, second) = filled(MAX_TOKENS - 2, 5)
    assert slots.of([first], 2).tolist() == [0]
    with pytest.raises(ValueError, match="more than 1000 tokens"):
        slots.of([second, first], 3)
    with pytest.raises(ValueError, match="twice"):
        slots.of([first, second, first], 1)
    slots.leave(first)
    with pytest.raises(KeyError):
        slots.of([first], 1)


@given(st.lists(st.integers(0, 9), max_size=80), st.integers(1, 6))
def test_every_text_has_a_slot_of_its_own_whatever_happens(actions: list[int], num_slots: int) -> None:
    """Each number is an action: 0 to 3 a text comes, 4 to 6 one leaves, 7 and above a step of some."""
    slots, texts = Slots(num_slots, MAX_TOKENS), dict[int, int]()
    for step, action in enumerate(actions):
        if action <= 3:
            place = slots.take()
            assert (place is None) == (len(texts) == num_slots)
            if place is not None:
                assert place not in texts
                texts[place] = 0
        elif texts and action <= 6:
            place = sorted(texts)[step % len(texts)]
            slots.leave(place)
            del texts[place]
        elif texts:
            chosen = sorted(texts)[step % len(texts) :]
            if move := next_move(slots, chosen):
                assert slots.lengths[move.target] == 0
                slots.moved(move)
            slots.lengths[slots.of(chosen, 1)] += 1
            texts |= {place: texts[place] + 1 for place in chosen}
        held = slots.of(list(texts), 0) if texts else np.zeros(0, np.int64)
        assert len(set(held.tolist())) == len(texts)
        assert slots.lengths[held].tolist() == list(texts.values())
        assert slots.lengths.sum() == sum(texts.values())


def test_a_text_moves_with_its_source() -> None:
    slots, places = filled(5, 6, 7)
    slots.source_lengths[:] = 10, 20, 5 * TOKENS_PER_ROW
    slots.leave(places[1])
    assert slots.source_lengths.tolist() == [10, 0, 5 * TOKENS_PER_ROW]
    steps = 0
    while (move := next_move(slots, [places[0], places[2]])) is None:
        steps += 1
    assert steps == 5, "the source is copied too, so there must be more to win"
    slots.moved(move)
    assert slots.source_lengths.tolist() == [10, 5 * TOKENS_PER_ROW, 0]


def test_beams_that_survive_are_not_copied() -> None:
    slots, (first, second, third, fourth) = filled(5, 5, 5, 5)
    swapped = slots.rearrangement([first, second, third], [second, third, first])
    assert swapped.copies == []
    slots.rearranged(swapped)
    assert slots.of([first, second, third, fourth], 0).tolist() == [1, 2, 0, 3]
    doubled = slots.rearrangement([first, second, third], [third, second, third])
    assert doubled.copies == [Move(source=0, target=1, num_tokens=5)]


def test_the_first_beam_is_read_for_all() -> None:
    slots, (first, second, third) = filled(5, 0, 0)
    slots.rearranged(slots.rearrangement([second, first, third], [first, first, first]))
    assert slots.lengths.tolist() == [5, 5, 5]
    assert slots.of([first], 0).tolist() == [0], "whoever is its own parent stays"


def test_texts_that_can_not_be_of_one_search_are_not_rearranged() -> None:
    slots, (first, second, third) = filled(5, 5, 6)
    for places, parents in (
        ([first, second], [first, third]),
        ([first, first], [first, first]),
        ([first, second], [first]),
    ):
        with pytest.raises(ValueError, match="go on from"):
            slots.rearrangement(places, parents)
    with pytest.raises(ValueError, match="different lengths"):
        slots.rearrangement([first, third], [first, third])
    slots.source_lengths[:2] = 3, 4
    with pytest.raises(ValueError, match="different lengths"):
        slots.rearrangement([first, second], [first, second])


@given(st.lists(st.lists(st.integers(0, 4), min_size=5, max_size=5), max_size=12))
def test_every_text_is_what_its_parent_was(rounds: list[list[int]]) -> None:
    slots, places = filled(*[7] * 5)
    texts, held = dict(zip(places, "abcde", strict=True)), dict(enumerate("abcde"))
    for chosen in rounds:
        parents = [places[number] for number in chosen]
        rearrangement = slots.rearrangement(places, parents)
        assert len(rearrangement.copies) == 5 - len(set(chosen))
        assert not {copy.source for copy in rearrangement.copies} & {copy.target for copy in rearrangement.copies}
        held |= {copy.target: held[copy.source] for copy in rearrangement.copies}
        slots.rearranged(rearrangement)
        texts = {place: texts[parent] for place, parent in zip(places, parents, strict=True)}
        assert {place: held[int(slots.of([place], 0)[0])] for place in places} == texts


def test_texts_share_a_budget_as_they_are_padded() -> None:
    places = Places(max_rows=4, capacity_tokens=100)
    assert [places.take(tokens) for tokens in (20, 25, 34, 33, 25)] == [0, 1, None, 2, None]
    places.leave(2)
    assert [places.take(tokens) for tokens in (25, 25, 1)] == [2, 3, None]
    assert len(places) == 4
    for place in (0, 1, 2, 3):
        places.leave(place)
    assert (places.take(101), places.take(100), places.take(1)) == (None, 0, None)
