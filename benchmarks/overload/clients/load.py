"""Ways to send requests: as fast as answers come, or at a rate that no answer slows down."""

import time
from collections.abc import Callable, Iterable, Iterator
from itertools import islice

from benchmarks.overload.clients.crowd import Answer, Crowd

Sent = tuple[bytes, object]
"""A request, and what its answer is tagged with."""
PATIENCE_S = 60.0
"""How long answers may take after the last request."""
_SELECT_S = 0.02


def as_fast_as_possible(
    crowd: Crowd, requests: Iterable[Sent], num_clients: int, until: float = float("inf")
) -> Iterator[Answer]:
    """Yield the answers of ``num_clients`` clients that send their next request after each answer, until that time."""
    todo = iter(requests)
    for request, tag in islice(todo, num_clients):
        crowd.send(request, tag)
    while crowd.num_waiting and time.monotonic() < until:
        for answer in crowd.answers(_SELECT_S):
            yield answer
            for request, tag in islice(todo, 1):
                crowd.send(request, tag)


def at_rate(
    crowd: Crowd, rate: float, seconds: float, next_request: Callable[[int], Sent]
) -> tuple[list[Answer], float]:
    """Send ``rate`` requests a second for some time, whatever the answers take.

    Returns:
        All answers, with status 0 for those that did not come within ``PATIENCE_S`` after the end, and the longest
        time by which a request was sent late.
    """
    began, number, lag_s = time.monotonic(), 0, 0.0
    answers: list[Answer] = []
    while (now := time.monotonic() - began) < seconds or (crowd.num_waiting and now < seconds + PATIENCE_S):
        due = int(rate * min(now, seconds))
        # A few at a time, so that answers are read, and their times noted, in between.
        for _ in range(min(due - number, 16)):
            lag_s = max(lag_s, now - number / rate)
            crowd.send(*next_request(number))
            number += 1
        answers.extend(crowd.answers(0 if number < due else min(_SELECT_S, 0.5 / rate)))
    answers.extend(crowd.unanswered())
    return answers, lag_s


def wait_until(condition: Callable[[], object], seconds: float) -> bool:
    """Return whether a condition came true within some time."""
    ends = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > ends:
            return False
        time.sleep(0.25)
    return True
