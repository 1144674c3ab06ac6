"""The slot table of a cache: which slot lies in which buffer row, which row a new slot gets, and when rows move."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.runtime.decoding.caches.slot_allocator import SlotAllocator
from workers.runtime.decoding.caches.slots.table import MOVED_TOKENS_PER_ROW_STEP, Move, SlotTable

MAX_TOKENS = 1000


def filled(*lengths: int) -> tuple[SlotTable, list[int]]:
    """Return a table whose rows hold sequences of these lengths, and their slots."""
    table, slots = SlotTable(len(lengths), MAX_TOKENS), []
    for row, length in enumerate(lengths):
        slot = table.allocate()
        assert slot is not None
        slots.append(slot)
        table.lengths[row] = length
    return table, slots


def next_move(table: SlotTable, slots: list[int]) -> Move | None:
    return table.next_move(table.rows_of(slots, 1))


def test_a_new_sequence_gets_the_lowest_free_row() -> None:
    table, (first, second, third) = filled(5, 6, 7)
    assert table.allocate() is None
    table.free(first)
    table.free(second)
    assert table.lengths.tolist() == [0, 0, 7]
    newer, newest = table.allocate(), table.allocate()
    assert newer is not None and newest is not None
    assert table.rows_of([newest, third, newer], 1).tolist() == [1, 2, 0]
    assert table.allocate() is None


def test_a_sequence_keeps_its_slot_when_it_is_moved() -> None:
    table, (first, second, third) = filled(5, 6, 7)
    table.free(second)
    move = next_move(table, [third, first])
    assert move == Move(source_row=2, target_row=1, num_tokens=7)
    table.apply_move(move)
    assert table.rows_of([first, third], 1).tolist() == [0, 1]
    assert table.lengths.tolist() == [5, 7, 0]
    assert table.allocate() == second, "the free slot, which now lies in row 2"
    with pytest.raises(ValueError, match="buffer row 2 is free"):
        SlotTable(3, 9).apply_move(move)


def test_nothing_is_moved_unless_there_is_a_free_row_in_between() -> None:
    table, (first, second, third) = filled(5, 6, 7)
    assert next_move(table, [first, third]) is None, "the row in between is being prefilled, so there is no free row"
    table.free(first)
    assert next_move(table, [second, third]) is None
    assert next_move(table, [third]) is None


def test_a_long_sequence_is_moved_once_the_wasted_rows_have_cost_as_much() -> None:
    table, slots = filled(5, 6, 7, 5 * MOVED_TOKENS_PER_ROW_STEP)
    table.free(slots[1])
    steps = 0
    while next_move(table, [slots[0], slots[2], slots[3]]) is None:
        steps += 1
    assert steps == 4
    table, slots = filled(5, 6, 7, 5 * MOVED_TOKENS_PER_ROW_STEP)
    table.free(slots[1])
    for _ in range(4):
        assert next_move(table, [slots[0], slots[3]]) is None
    newer = table.allocate()
    assert next_move(table, [slots[0], slots[3]]) is None
    assert newer is not None
    table.free(newer)
    assert next_move(table, [slots[0], slots[3]]) is None, "the cost of the previous gap does not count"


def test_a_step_moves_at_most_one_sequence() -> None:
    table, slots = filled(*[10] * 8)
    for slot in slots[1:5]:
        table.free(slot)
    moves = []
    rest = [slots[0], *slots[5:]]
    while move := next_move(table, rest):
        table.apply_move(move)
        moves.append(move[:2])
    assert moves == [(7, 1), (6, 2), (5, 3)]
    assert sorted(table.rows_of(rest, 1)) == [0, 1, 2, 3]


def test_sequences_that_do_not_fit_and_slots_named_twice_are_refused() -> None:
    table, (first, second) = filled(MAX_TOKENS - 2, 5)
    assert table.rows_of([first], 2).tolist() == [0]
    with pytest.raises(ValueError, match="1001 tokens does not fit: the limit is 1000"):
        table.rows_of([second, first], 3)
    with pytest.raises(ValueError, match="twice"):
        table.rows_of([first, second, first], 1)
    table.free(first)
    with pytest.raises(KeyError):
        table.rows_of([first], 1)


@given(st.lists(st.integers(0, 9), max_size=80), st.integers(1, 6))
def test_every_sequence_has_a_row_of_its_own_after_any_actions(actions: list[int], num_rows: int) -> None:
    """Each number is an action: up to 3 allocates a slot, 4 to 6 frees one, 7 and above steps some of them."""
    table, lengths = SlotTable(num_rows, MAX_TOKENS), dict[int, int]()
    for step, action in enumerate(actions):
        if action <= 3:
            slot = table.allocate()
            assert (slot is None) == (len(lengths) == num_rows)
            if slot is not None:
                assert slot not in lengths
                lengths[slot] = 0
        elif lengths and action <= 6:
            slot = sorted(lengths)[step % len(lengths)]
            table.free(slot)
            del lengths[slot]
        elif lengths:
            chosen = sorted(lengths)[step % len(lengths) :]
            if move := next_move(table, chosen):
                assert table.lengths[move.target_row] == 0
                table.apply_move(move)
            table.lengths[table.rows_of(chosen, 1)] += 1
            lengths |= {slot: lengths[slot] + 1 for slot in chosen}
        held = table.rows_of(list(lengths), 0) if lengths else np.zeros(0, np.int64)
        assert len(set(held.tolist())) == len(lengths)
        assert table.lengths[held].tolist() == list(lengths.values())
        assert table.lengths.sum() == sum(lengths.values())


def test_a_sequence_moves_with_its_source() -> None:
    table, slots = filled(5, 6, 7)
    table.source_lengths[:] = 10, 20, 5 * MOVED_TOKENS_PER_ROW_STEP
    table.free(slots[1])
    assert table.source_lengths.tolist() == [10, 0, 5 * MOVED_TOKENS_PER_ROW_STEP]
    steps = 0
    while (move := next_move(table, [slots[0], slots[2]])) is None:
        steps += 1
    assert steps == 5, "the source is copied too, so the move must save more"
    table.apply_move(move)
    assert table.source_lengths.tolist() == [10, 5 * MOVED_TOKENS_PER_ROW_STEP, 0]


def test_beams_that_survive_are_not_copied() -> None:
    table, (first, second, third, fourth) = filled(5, 5, 5, 5)
    swapped = table.plan_reordering([first, second, third], [1, 2, 0])
    assert swapped.copies == []
    table.apply_reordering(swapped)
    assert table.rows_of([first, second, third, fourth], 0).tolist() == [1, 2, 0, 3]
    doubled = table.plan_reordering([first, second, third], [2, 1, 2])
    assert doubled.copies == [Move(source_row=0, target_row=1, num_tokens=5)]


def test_the_first_beam_is_prefilled_for_all() -> None:
    table, (first, second, third) = filled(5, 0, 0)
    table.apply_reordering(table.plan_reordering([second, first, third], [1, 1, 1]))
    assert table.lengths.tolist() == [5, 5, 5]
    assert table.rows_of([first], 0).tolist() == [0], "a beam that continues itself stays in its row"


def test_slots_that_can_not_be_the_beams_of_one_search_are_not_reordered() -> None:
    table, (first, second, third) = filled(5, 5, 6)
    for slots, beam_idx in (
        ([first, second], [0, 2]),
        ([first, second], [0, -1]),
        ([first, first], [0, 0]),
        ([first, second], [0]),
    ):
        with pytest.raises(ValueError, match="can't be reordered"):
            table.plan_reordering(slots, beam_idx)
    with pytest.raises(ValueError, match="same length"):
        table.plan_reordering([first, third], [0, 1])
    table.source_lengths[:2] = 3, 4
    with pytest.raises(ValueError, match="same source"):
        table.plan_reordering([first, second], [0, 1])


@given(st.lists(st.lists(st.integers(0, 4), min_size=5, max_size=5), max_size=12))
def test_every_beam_continues_the_beam_of_its_index(rounds: list[list[int]]) -> None:
    table, slots = filled(*[7] * 5)
    texts, held = dict(zip(slots, "abcde", strict=True)), dict(enumerate("abcde"))
    for beam_idx in rounds:
        reordering = table.plan_reordering(slots, beam_idx)
        assert len(reordering.copies) == 5 - len(set(beam_idx))
        assert not {copy.source_row for copy in reordering.copies} & {copy.target_row for copy in reordering.copies}
        held |= {copy.target_row: held[copy.source_row] for copy in reordering.copies}
        table.apply_reordering(reordering)
        texts = {slot: texts[slots[index]] for slot, index in zip(slots, beam_idx, strict=True)}
        assert {slot: held[int(table.rows_of([slot], 0)[0])] for slot in slots} == texts


def test_sequences_share_a_budget_in_which_each_counts_as_the_longest() -> None:
    slots = SlotAllocator(max_slots=4, capacity_tokens=100)
    assert [slots.allocate(tokens) for tokens in (20, 25, 34, 33, 25)] == [0, 1, None, 2, None]
    slots.free(2)
    assert [slots.allocate(tokens) for tokens in (25, 25, 1)] == [2, 3, None]
    assert len(slots) == 4
    for slot in (0, 1, 2, 3):
        slots.free(slot)
    assert (slots.allocate(101), slots.allocate(100), slots.allocate(1)) == (None, 0, None)
