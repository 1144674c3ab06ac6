"""Texts give their slots to more urgent requests that have waited for a step, and go on as if nothing was."""

import itertools
from typing import cast

from contracts.jobs import Lane
from tests.unit.decoding.fakes import (
    FakeEncoderDecoderCache,
    answer,
    outputs_of,
    prompt,
    request,
    source_answer,
    text_of,
    texts,
)
from tests.unit.decoding.steps import LONG, Steps
from workers.runtime.decoding.request import Beams
from workers.runtime.decoding.scheduling.paused_groups import MIN_TOKENS


def test_an_interactive_request_starts_within_two_steps_in_a_model_full_of_bulk_texts() -> None:
    run = Steps(max_slots=4)
    bulk = run.bulk(*([number] for number in range(1, 9)))
    run.step(10)
    assert run.prompts == [1, 2, 3, 4]
    interactive = run.interactive()
    run.step()
    assert not interactive.has_started and not run.saved, "first it waits for a step: a slot may become free"
    run.step()
    assert interactive.has_started and run.prompts == [2, 3, 4, 9] and run.metrics.pauses == 1
    run.finish(interactive, bulk)
    assert texts(interactive) == [text_of(answer([9, 9], 3))]
    assert texts(bulk) == [text_of(answer([number], LONG)) for number in range(1, 9)]
    assert [kind for kind, _ in run.saved] == ["save", "restore"]
    assert run.memory.used_bytes == 0


def test_a_slot_that_is_free_at_the_next_step_is_taken_without_a_pause() -> None:
    run = Steps(max_slots=2)
    run.bulk([1])
    run.bulk([2], num_tokens=11)
    run.step(10)
    interactive = run.interactive()
    run.step(2)
    assert interactive.has_started and not run.saved


def test_only_bulk_gives_way_to_interactive_requests_whose_flow_has_slots() -> None:
    for running, expected in (("bulk", [8, 9]), ("default", [1, 8]), ("interactive", [1, 8])):
        run = Steps(max_slots=2)
        run.submit(cast(Lane, running), request([1], LONG), tenant="a")
        run.interactive([8], LONG)
        run.step(10)
        run.interactive([9], LONG)
        run.step(50)
        assert run.prompts == expected


def test_of_one_flow_the_group_with_the_least_to_copy_gives_way() -> None:
    run = Steps(max_slots=3)
    run.bulk([1] * 50, [2] * 20, [3] * 70)
    run.step(3)
    run.interactive(num_tokens=LONG)
    run.step(2)
    assert run.prompts == [1, 3, 9]
    ((kind, num_tokens),) = run.saved
    assert kind == "save" and 20 < num_tokens < 30


def test_the_flow_with_the_most_slots_for_its_share_gives_first() -> None:
    run = Steps(max_slots=4)
    run.bulk([1] * 80, [2] * 60, tenant="many")
    run.bulk([3], tenant="few")
    run.bulk([4] * 2, tenant="none")
    run.step(5)
    run.interactive(num_tokens=LONG, tenant="other")
    run.step(2)
    assert run.prompts == [1, 3, 4, 9]


def test_paused_groups_go_on_in_their_order_and_before_new_bulk_requests() -> None:
    run = Steps(max_slots=2)
    run.bulk([1], [2], num_tokens=60)
    run.step(2)
    first, second = run.interactive([9], 10), run.interactive([8], 20)
    run.step(3)
    assert run.prompts == [8, 9] and run.metrics.pauses == 2
    run.bulk([3], num_tokens=60)
    run.finish(first)
    run.step()
    assert run.prompts == [1, 8]
    run.finish(second)
    run.step()
    assert run.prompts == [1, 2]


def test_paused_groups_wait_while_something_more_urgent_does() -> None:
    run = Steps(max_slots=2)
    run.bulk([1], [2])
    run.step(2)
    crowd = [run.interactive([9], 4) for _ in range(6)]
    run.step(3)
    while not all(handle.has_started for handle in crowd):
        assert not {1, 2} & set(run.prompts), "no bulk text may go on before them"
        run.step()


def test_lanes_keep_their_shares_so_not_every_bulk_text_gives_way() -> None:
    run = Steps(max_slots=16)
    run.bulk(*([1] for _ in range(16)))
    run.step(2)
    for _ in range(40):
        run.interactive([9], LONG)
    run.step(30)
    assert run.prompts == [1] + [9] * 15, "eight to one"


def test_a_group_that_was_paused_runs_for_some_steps_before_it_is_again() -> None:
    run = Steps(max_slots=1)
    bulk = run.bulk([1])
    run.step(3)
    for _ in range(4):
        run.finish(run.interactive())
        run.step()
        assert run.prompts == [1]
    saved = [num_tokens for kind, num_tokens in run.saved if kind == "save"]
    assert len(saved) == 4
    assert all(later - earlier >= MIN_TOKENS for earlier, later in itertools.pairwise(saved))
    run.finish(bulk)
    assert texts(bulk) == [text_of(answer([1], LONG))]


def test_a_search_gives_all_its_slots_and_gets_all_of_them_back() -> None:
    searches, seen = [], []
    for interrupted in (False, True):
        run = Steps(FakeEncoderDecoderCache(max_slots=4, max_tokens=120))
        beams = Beams(3, num_return_sequences=3)
        search = run.submit("bulk", request([1], 60, source_ids=prompt(5, 6, 7), beams=beams))
        run.step(6)
        if interrupted:
            others = [
                run.submit("interactive", request([1], 9, source_ids=prompt(8, 8)))
                for _ in range(2)
            ]  # fmt: skip
            run.step(2)
            assert run.metrics.pauses == 1 and run.scheduler.num_running == 2
            run.finish(*others)
            assert texts(others[0]) == texts(others[1]) == [text_of(source_answer([8, 8], [1], 9))]
        run.finish(search)
        searches.append([(output.text, output.mean_logprob) for output in outputs_of(search)])
        seen.append(run.metrics.pauses)
    assert searches[0] == searches[1] and seen == [0, 1]


def test_an_interactive_search_gets_the_slots_of_several_groups_or_of_none() -> None:
    run = Steps(max_slots=3)
    run.bulk([1] * 30, [2] * 20)
    run.submit("default", request([3], LONG))
    run.step(3)
    search = run.submit("interactive", request([9], 5, beams=Beams(3)))
    run.step(5)
    assert run.prompts == [1, 2, 3] and not run.saved, "it needs the slot of the default lane, too"
    run.scheduler.remove(search)
    run.submit("interactive", request([8], LONG, beams=Beams(2)))
    run.step(2)
    assert run.metrics.pauses == 2 and run.prompts == [3, 8, 8]


def test_slots_that_others_wait_for_are_left_to_them() -> None:
    run = Steps(max_slots=4)
    run.bulk([1] * 9, [2] * 8, [3] * 7, num_tokens=40)
    run.step(3)
    search = run.submit("bulk", request([8], LONG, beams=Beams(2)), tenant="other")
    run.step()
    interactive = run.interactive(num_tokens=LONG)
    run.step(2)
    assert interactive.has_started and run.prompts == [1, 2, 9] and run.scheduler.num_running == 3
    run.step(60)
    assert search.has_started


def test_no_group_is_paused_that_a_larger_one_makes_needless() -> None:
    run = Steps(max_slots=4)
    run.bulk([1])
    run.submit("bulk", request([2] * 9, LONG, beams=Beams(3)))
    run.step(3)
    run.submit("interactive", request([9], LONG, beams=Beams(3)))
    run.step(2)
    assert run.metrics.pauses == 1 and run.prompts == [1, 9, 9, 9]


def test_a_prompt_that_is_being_read_gives_way_and_is_read_on_in_another_slot() -> None:
    run = Steps(max_slots=2)
    # Slots are numbered from 0: the first one goes to the interactive request, the second one becomes free.
    bulk = run.bulk([1] * 3000, num_tokens=5)
    other = run.submit("default", request([8], 8))
    run.step()
    run.interactive(num_tokens=LONG)
    run.step(2)
    assert run.cache.held[0][0] == 9
    run.finish(other, bulk)
    assert run.metrics.pauses == 1 and 0 < run.saved[0][1] < 3000
    assert texts(bulk) == [text_of(answer([1] * 3000, 5))]


def test_streams_stop_strings_and_log_probabilities_do_not_see_a_pause() -> None:
    written = []
    for interrupted in (False, True):
        run = Steps(max_slots=1)
        stop = text_of(answer([1], 70)[66:70])
        bulk = run.submit("bulk", request([1], LONG, stream=True, logprobs=True, top_n_tokens=2, stop_strings=(stop,)))
        run.step(20)
        if interrupted:
            run.finish(run.interactive())
            assert run.metrics.pauses == 1
        run.finish(bulk)
        written.append((outputs_of(bulk)[0].text, outputs_of(bulk)[0].tokens, outputs_of(bulk)[0].finish_reason))
        deltas = [delta for handle, delta in run.deltas if handle is bulk]
        assert "".join(delta.text for delta in deltas) == written[-1][0] and deltas[-1].finish_reason
    assert written[0] == written[1] and written[0][2] == "stop_sequence"


def test_a_pause_counts_as_no_gap_between_tokens() -> None:
    run = Steps(max_slots=1)
    bulk = run.bulk([1])
    run.step(3)
    interactive = run.interactive()
    run.step(2)
    (group,) = list(run.scheduler._admission._paused)
    group.last_token_at -= 1000.0
    run.finish(interactive, bulk)
    assert run.metrics.token_gap.read().sum_s < 500


def test_suspects_neither_give_way_nor_push_others_out() -> None:
    run = Steps(max_slots=2)
    run.bulk([1], [2], group="group")
    run.step(3)
    interactive = run.interactive()
    run.step(10)
    assert run.prompts == [1, 2] and not interactive.has_started
    run = Steps(max_slots=2)
    run.bulk([1], [2])
    run.step(3)
    run.interactive(group="group")
    run.step(10)
    assert run.prompts == [1, 2] and not run.saved


def test_a_tenant_pauses_its_own_texts_to_keep_a_slot_for_others() -> None:
    run = Steps(max_slots=4)
    run.bulk([1], [2], [3], [4], tenant="a")
    run.step(3)
    assert run.prompts == [1, 2, 3], "one slot is left to another tenant"
    run.interactive(num_tokens=LONG, tenant="a")
    run.step(2)
    assert run.prompts == [2, 3, 9]


def test_nobody_is_paused_for_a_tenant_that_would_have_all_slots() -> None:
    run = Steps(max_slots=2)
    run.interactive([1], LONG, tenant="a")
    run.bulk([2], tenant="b")
    run.step(3)
    run.interactive(tenant="a")
    run.step(5)
    assert run.prompts == [1, 2] and not run.saved


def test_a_group_does_not_go_on_in_the_slot_that_its_tenant_leaves_to_others() -> None:
    run = Steps(max_slots=2)
    run.bulk([1], tenant="a")
    short = run.submit("default", request([2], 8), tenant="b")
    run.step(3)
    visitor = run.interactive(num_tokens=20, tenant="c")
    run.step(2)
    assert run.prompts == [2, 9]
    run.submit("default", request([3], LONG), tenant="a")
    run.finish(short, visitor)
    run.step(3)
    assert run.prompts == [3]
    run.bulk([4], tenant="b")
    run.step(2)
    assert run.prompts == [3, 4], "and is passed by those who may have it"
