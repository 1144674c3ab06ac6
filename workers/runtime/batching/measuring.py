"""What the rows of a model take in full batches: the calls that are timed when it is loaded."""

import math
from collections.abc import Callable
from functools import partial
from typing import Any

from workers.runtime.batching.engine import BatchModel
from workers.runtime.batching.row_queue import Row
from workers.runtime.price.measuring import (
    LONG_TOKENS,
    SHORT_TOKENS,
    Reading,
    ReadTimes,
    affordable,
    least_of,
    length_of_longest,
    read_times,
    time_of,
    with_pairs,
)

SHARED_CALL_S = 0.01
"""About what a call may take that keeps another flow waiting."""
MOST_SHARED_CALLS = 4
"""Into so many calls one is divided for that."""


def measure_rows(model: BatchModel[Any], row_of: Callable[[int], Row], longest: int) -> ReadTimes:
    """Return what a row takes and what each of its tokens takes, in batches as a full worker has them.

    Args:
        model: no other thread uses it yet. It has run before, so that nothing happens for the first time.
        row_of: makes a row of a length.
        longest: length of the longest row that it makes.
    """
    short, long = row_of(min(longest, SHORT_TOKENS)), row_of(min(longest, LONG_TOKENS))
    of_short, of_long = _full_batch(model, short), _full_batch(model, long)
    times = read_times(of_short, of_long)
    num_tokens = length_of_longest(of_long, longest)
    return with_pairs(times, of_long, _full_batch(model, row_of(num_tokens))) if num_tokens else times


def shared_length(times: ReadTimes, max_batch_length: int) -> int:
    """Return the most rows x longest row of a call that others wait for, by what it takes, be its rows short or long.

    No less than a part of a full call: short calls cost more for each row, and the time may be that of a machine which
    had other things to do.
    """
    # Of very short rows the rows themselves are what costs, and of long ones the pairs of tokens.
    token_s = max(
        times.row_s / length + times.token_in_s + times.token_pair_s * length for length in (SHORT_TOKENS, LONG_TOKENS)
    )
    fitting = int(SHARED_CALL_S / token_s) if token_s else max_batch_length
    return min(max_batch_length, max(fitting, math.ceil(max_batch_length / MOST_SHARED_CALLS)))


def _full_batch(model: BatchModel[Any], row: Row) -> Reading:
    """Return the time of a batch as full as it may be, unless that would take too long."""

    def batch_s(num_rows: int) -> float:
        return time_of(partial(model.run, [row] * num_rows))

    single_s = least_of(partial(batch_s, 1))
    num_rows = affordable(single_s, max(1, model.max_batch_length // row.length))
    while num_rows > 1 and not model.fits(num_rows, row.length):
        num_rows //= 2
    return Reading(num_rows, row.length, least_of(partial(batch_s, num_rows)) if num_rows > 1 else single_s)
