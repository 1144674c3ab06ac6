"""First times of a model: short calls when it is loaded, which take a second or two at most, however large it is."""

import logging
import math
import time
from collections.abc import Callable
from typing import NamedTuple

from contracts.price.profile import ModelProfile

logger = logging.getLogger(__name__)
QUICK_S = 0.3
"""What takes longer is not repeated. A first call is slower than others, but then not by as much as it would matter."""
MAX_CALLS = 3
BUDGET_S = 0.5
"""What a call may probably take. Rows and tokens are chosen by that."""
SHORT_TOKENS = 8
LONG_TOKENS = 128
LONGEST_TOKENS, LEAST_LONGEST_TOKENS = 1024, 512
"""Most and fewest of the row that shows what attention takes."""


class Reading(NamedTuple):
    """A call that reads rows, and its time."""

    num_rows: int
    tokens_of_row: int
    seconds: float

    @property
    def seconds_of_row(self) -> float:
        """Time of each row."""
        return self.seconds / self.num_rows


class ReadTimes(NamedTuple):
    """What a row takes, whatever its length, and each of its tokens."""

    row_s: float
    token_in_s: float
    token_pair_s: float = 0.0


def measured(model: str, measure: Callable[[], ModelProfile]) -> ModelProfile:
    """Return the profile of a model, or an unknown one if it can't be measured: it serves its jobs all the same."""
    started = time.perf_counter()
    try:
        profile = measure()
    except Exception:
        logger.exception("model not measured, so its jobs have no price", extra={"model": model})
        return ModelProfile()
    seconds = {name: float(f"{getattr(profile, name):.3g}") for name in ("row_s", "token_in_s", "token_out_s")}
    about = {"model": model, "measured_in_s": round(time.perf_counter() - started, 3), **seconds}
    logger.debug("model measured", extra=about)
    return profile


def time_of(call: Callable[[], object]) -> float:
    """Return how long a call takes."""
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


def least_of(measure: Callable[[], float]) -> float:
    """Return the least of a few times, or a single one if it is long."""
    least = measure()
    for _ in range(MAX_CALLS - 1):
        if least > QUICK_S:
            break
        least = min(least, measure())
    return least


def affordable(single_s: float, most: int) -> int:
    """Return how many times what takes ``single_s`` alone fits into the budget; at least once."""
    return max(1, min(most, int(BUDGET_S / max(single_s, 1e-9))))


def length_of_longest(long: Reading, most: int) -> int:
    """Return how long a row may be for its call to take no longer than its budget, if it takes the square.

    0 if that is too short to tell what attention takes from how much times differ by themselves.
    """
    length = min(LONGEST_TOKENS, most, int(long.tokens_of_row * math.sqrt(BUDGET_S / max(long.seconds_of_row, 1e-9))))
    return length if length >= LEAST_LONGEST_TOKENS else 0


def with_pairs(times: ReadTimes, long: Reading, longest: Reading) -> ReadTimes:
    """Return times with that of pairs of tokens: what a longer row takes beyond what its tokens would."""
    more_tokens = longest.tokens_of_row - long.tokens_of_row
    slope = (longest.seconds_of_row - long.seconds_of_row) / more_tokens
    token_pair_s = max(0.0, slope - times.token_in_s) / longest.tokens_of_row
    # That of the long row was taken for its tokens.
    return times._replace(
        token_in_s=max(0.0, times.token_in_s - token_pair_s * long.tokens_of_row), token_pair_s=token_pair_s
    )


def read_times(short: Reading, long: Reading) -> ReadTimes:
    """Return the times on a line through those of short rows and long ones; neither is negative."""
    more_tokens = long.tokens_of_row - short.tokens_of_row
    more_s = max(0.0, long.seconds_of_row - short.seconds_of_row)
    token_in_s = more_s / more_tokens if more_tokens > 0 else 0.0
    row_s = short.seconds_of_row - token_in_s * short.tokens_of_row
    # Long rows are what costs, so where a line does not fit, it goes through them.
    return ReadTimes(row_s, token_in_s) if row_s >= 0 else ReadTimes(0.0, long.seconds_of_row / long.tokens_of_row)
