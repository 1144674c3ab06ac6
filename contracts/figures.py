"""What a worker reports about text generation in its heartbeat; the gateway's metrics show it."""

import msgspec

DURATION_BOUNDS_S = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
"""Upper bounds of the buckets: from a decode step of a small model to a first token after a long wait in the queue."""


class Durations(msgspec.Struct, frozen=True):
    """A histogram of durations."""

    counts: list[int]
    """Durations in each bucket, not cumulative: up to each of ``DURATION_BOUNDS_S``, and above the last."""
    sum_s: float


class GenerationFigures(msgspec.Struct, frozen=True, kw_only=True):
    """Counts since the worker started, and its current load."""

    tokens_in: int
    tokens_out: int
    rows_running: int
    rows_waiting: int
    cache_tokens: int
    """Tokens that sequences occupy in the caches now."""
    cache_max_tokens: int
    pauses: int = 0
    """Sequences, and searches, that gave their slots in a cache to a more urgent request, or to one of others."""
    first_token: Durations
    """From the submission of an attempt's requests to its first token."""
    token_gap: Durations
    """From one token of a sequence to its next (inter-token latency)."""
