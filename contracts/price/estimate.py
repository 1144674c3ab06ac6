"""Work-seconds: of a request before it runs (its price), and of a job after it has run."""

from typing import NamedTuple

from contracts.price.demand import Demand
from contracts.price.profile import ModelProfile, limit_size


class Consumed(NamedTuple):
    """What an attempt has consumed."""

    work_s: float = 0.0
    """Work-seconds."""
    tokens_in: int = 0
    """Tokens that the model has read: after truncation, all pieces, once for each time that it has read them."""
    tokens_out: int = 0
    """Tokens that it has decoded, in all sequences and beams, whether or not they are part of an answer."""


class Reading(NamedTuple):
    """What a model reads of a request, as estimated, if it reads each input once."""

    num_rows: float
    """Inputs, or the pieces that they are split into."""
    num_tokens: float


def price_of(profile: ModelProfile, demand: Demand) -> float:
    """Return the work-seconds that a request will probably take."""
    reading = reading_of(profile, demand)
    num_sequences = profile.num_beams if demand.num_sequences is None else demand.num_sequences
    tokens_out = reading.num_rows * num_sequences * written_of(profile, demand, reading) if num_sequences else 0.0
    return work_of(
        profile,
        num_rows=demand.num_reads * reading.num_rows,
        tokens_in=demand.num_reads * reading.num_tokens,
        token_pairs=demand.num_reads * reading.num_tokens**2 / max(1.0, reading.num_rows),
        tokens_out=tokens_out,
    )


def least_s_of(profile: ModelProfile, demand: Demand) -> float:
    """Return the seconds in which the texts of a request are written if all are at once, and nothing else is."""
    if demand.num_sequences == 0:
        return 0.0
    return written_of(profile, demand, reading_of(profile, demand)) * profile.step_s


def work_of(
    profile: ModelProfile, *, num_rows: float, tokens_in: float, tokens_out: float, token_pairs: float = 0.0
) -> float:
    """Return the work-seconds of a job.

    Args:
        profile: of its model.
        num_rows: that the model reads: inputs or pieces of them, each as often as it is read.
        tokens_in: of these rows.
        tokens_out: that are decoded, in all sequences and beams.
        token_pairs: sum of the squares of the rows' lengths.
    """
    read_s = num_rows * profile.row_s + tokens_in * profile.token_in_s + token_pairs * profile.token_pair_s
    return profile.request_s + read_s + tokens_out * profile.token_out_s


def reading_of(profile: ModelProfile, demand: Demand) -> Reading:
    """Return what a model will probably read of a request."""
    num_rows = float(demand.num_rows)
    num_tokens = demand.num_chars * profile.tokens_per_char + demand.num_bytes * profile.tokens_per_byte
    if demand.is_split and profile.tokens_per_piece:
        num_rows = max(num_rows, num_tokens / profile.tokens_per_piece)
    num_tokens += num_rows * profile.special_tokens
    # What is longer is cut, or refused once it has been tokenized.
    if profile.max_tokens and not demand.is_split:
        num_tokens = min(num_tokens, num_rows * profile.max_tokens)
    return Reading(num_rows, num_tokens)


def written_of(profile: ModelProfile, demand: Demand, reading: Reading) -> float:
    """Return how many tokens a sequence will probably have."""
    tokens_of_row = reading.num_tokens / max(1.0, reading.num_rows)
    if demand.follows_input:
        written = tokens_of_row * profile.written_per_token_in
        most = demand.max_new_tokens or written
        return max(min(written, most), demand.min_new_tokens)
    most = limit_of(profile, demand, tokens_of_row)
    return max(most * profile.written[limit_size(most)], demand.min_new_tokens)


def limit_of(profile: ModelProfile, demand: Demand, tokens_of_row: float) -> int:
    """Return the most tokens that a sequence after an input of so many tokens can have."""
    most = demand.max_new_tokens or 1
    if profile.max_tokens:
        most = min(most, profile.max_tokens - int(tokens_of_row))
    return max(1, most)
