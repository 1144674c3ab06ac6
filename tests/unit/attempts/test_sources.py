"""The order in which a worker looks into its queues."""

import math

from contracts.jobs import newcomers_of
from workers.runtime.attempts.sources import Sources

NOBODY = frozenset[tuple[str, str]]()


def test_a_queue_that_always_has_more_does_not_keep_the_others_waiting() -> None:
    sources = Sources()
    for queue in ("triptych.a", "triptych.b", "triptych.c"):
        sources.wake(queue)
    served = []
    for _ in range(6):
        queues = sources.next(NOBODY, ())
        served.append(queues[0])  # has more than a turn takes, so nobody looks into the others
        sources.note_turn(queues, {queues[0]}, NOBODY, all_taken=False)
    assert served == ["triptych.a", "triptych.b", "triptych.c"] * 2


def test_newcomers_have_their_turn_beside_a_queue_that_always_has_more() -> None:
    sources = Sources()
    sources.wake("triptych.a")
    sources.wake(newcomers_of("triptych.b"))
    sources.note_turn(sources.next(NOBODY, ()), {"triptych.a"}, NOBODY, all_taken=False)
    assert sources.next(NOBODY, ())[0] == "triptych.b"


def test_a_queue_of_which_all_was_taken_is_not_looked_into_again() -> None:
    sources = Sources()
    sources.wake("triptych.a")
    sources.note_turn(sources.next(NOBODY, ()), {"triptych.a"}, NOBODY, all_taken=True)
    assert not sources.any_known() and sources.next(NOBODY, ()) == []


def test_only_a_turn_that_looks_knows_that_jobs_are_left() -> None:
    sources = Sources()
    sources.note_turn([], set(), NOBODY, all_taken=False)
    assert sources.known_at == -math.inf, "it has only recorded outcomes"
    sources.note_turn(["q"], {"q"}, NOBODY, all_taken=True)
    assert sources.known_at == -math.inf
    sources.note_turn(["q"], {"q"}, NOBODY, all_taken=False)
    assert sources.known_at > 0
