"""Work-seconds: of a request before it runs (its price), and of a job after it has run."""

from typing import NamedTuple

from contracts.price.demand import Demand
from contracts.price.profile import ModelProfile, limit_size


class Consumed(NamedTuple):
    """What an attempt has consumed."""

    work_s: float = 0.0
    """Work-seconds."""
    tokens_in: int = 0
    tokens_out: int = 0


def price_of(profile: ModelProfile, demand: Demand) -> float:
    """Return the work-seconds that a request will probably take."""
    tokens_in = demand.num_chars * profile.tokens_per_char
    tokens_out = demand.num_rows * demand.num_sequences * _num_written(profile, demand, tokens_in)
    return work_of(profile, num_rows=demand.num_rows, tokens_in=tokens_in, tokens_out=tokens_out)


def work_of(profile: ModelProfile, *, num_rows: int, tokens_in: float, tokens_out: float) -> float:
    """Return the work-seconds of a job.

    Args:
        profile: of its model.
        num_rows: inputs.
        tokens_in: that the model reads.
        tokens_out: that are decoded, in all sequences and beams.
    """
    read_s = profile.request_s + num_rows * profile.row_s + tokens_in * profile.token_in_s
    return read_s + tokens_out * profile.token_out_s


def _num_written(profile: ModelProfile, demand: Demand, tokens_in: float) -> float:
    """Return how many tokens a sequence will probably have."""
    if demand.max_new_tokens is None:
        written = tokens_in / max(1, demand.num_rows) * profile.written_per_token_in
    else:
        written = demand.max_new_tokens * profile.written[limit_size(demand.max_new_tokens)]
    return max(written, demand.min_new_tokens)
