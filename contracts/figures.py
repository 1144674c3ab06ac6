"""What a worker tells of its text generation in its heartbeat."""

import msgspec

DURATION_BOUNDS_S = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)


class Durations(msgspec.Struct, frozen=True):
    """A histogram of seconds: the sum of all, and how many fell below each bound but not below the one before it."""

    counts: list[int]
    """One for each of ``DURATION_BOUNDS_S``, and one for those beyond the last."""
    sum_s: float


class GenerationFigures(msgspec.Struct, frozen=True, kw_only=True):
    """What a worker's text generation has done since it started, and how full it is now."""

    tokens_in: int
    tokens_out: int
    rows_running: int
    rows_waiting: int
    cache_tokens: int
    """Tokens that rows hold in the caches now."""
    cache_max_tokens: int
    first_token: Durations
    """From when a job's attempt asks for its texts to the first token of any."""
    token_gap: Durations
    """From a row's token to its next."""
