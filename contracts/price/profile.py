"""What a model costs on a worker, and what is learned of its texts. Heartbeats bring profiles, the store keeps them."""

from collections.abc import Iterable

import msgspec

NUM_LIMITS = 21
"""Sizes of limits that are told apart: up to 1, 2, 4, … tokens, which is up to a million."""
_MEANS = (
    "request_s", "row_s", "token_in_s", "token_in_outside_s", "token_pair_s", "token_out_s", "step_s",
    "tokens_per_char", "tokens_per_byte", "written_per_token_in", "tokens_per_piece",
)  # fmt: skip
"""Fields of a merged profile that are means."""
_MAX, _MAX_S, _MAX_JOBS = 1e9, 1e3, 1e6
"""No number of a profile is larger, no time of a row or a token, and nobody remembers more jobs."""


class ModelProfile(msgspec.Struct, frozen=True, kw_only=True):
    """Work-seconds of a model on one kind of device, and how many tokens its texts have.

    The work of a job is ``request_s``, and ``row_s`` for each row that the model reads, ``token_in_s`` for each token
    of these rows, ``token_pair_s`` for each pair of tokens of a row, because of attention, and ``token_out_s`` for each
    token that is decoded, in all sequences and beams. These are the times of a worker that is full, so a job costs the
    same at any load.
    """

    device: str = "cpu"
    revision: str = ""
    """Of the model."""
    request_s: float = 0.0
    row_s: float = 0.0
    token_in_s: float = 0.0
    token_in_outside_s: float = 0.0
    """How much of it is outside of model calls, as for tokenizing."""
    token_pair_s: float = 0.0
    """Of models that answer a row in one call; 0 for those that generate, whose inputs are read in chunks."""
    token_out_s: float = 0.0
    step_s: float = 0.0
    """From one token of a sequence to its next, if nothing else runs. Tokens of one text come one after another, so it
    takes longer than its part of a full worker's work."""
    max_tokens: int = 0
    """Longest input, or, where the same model writes, input and output together; 0 if it is not known."""
    special_tokens: int = 0
    """Of each row, beside those of its text."""
    num_beams: int = 1
    """Sequences of an answer if the request leaves it to the model."""
    tokens_per_char: float = 0.3
    """Tokens of an ASCII character."""
    tokens_per_byte: float = 0.5
    """Tokens of a byte of other characters, in UTF-8."""
    tokens_per_piece: float = 0.0
    """Tokens of the pieces that inputs are split into, on average, without special ones; 0 if it is not known."""
    written: list[float] = msgspec.field(default_factory=lambda: [1.0] * NUM_LIMITS)
    """Share of the most tokens of a sequence that is written on average, by `limit_size` of the limit.

    Means, and no high quantiles: whatever is done with prices adds up those of many jobs (the work that waits before a
    job, the share of a tenant, work a minute), and means are what adds up. A high quantile would refuse jobs that could
    be done. What a single job takes beyond its price is settled when it ends.
    """
    written_per_token_in: float = 1.0
    """Tokens written for each that is read, on average, where the answer follows the input."""
    num_jobs: float = 0.0
    """Jobs that this was learned from, without those that have faded."""

    @property
    def is_known(self) -> bool:
        """Whether the model has been measured."""
        return self.token_in_s > 0 or self.row_s > 0 or self.token_out_s > 0

    @property
    def is_usable(self) -> bool:
        """Whether prices can be made of it: one of another version, or of a fault, must not reach the store's sums."""
        numbers = {name: getattr(self, name) for name in (*_MEANS, "max_tokens", "special_tokens")}
        return (
            len(self.written) == NUM_LIMITS
            and all(0 <= number <= _MAX for number in self.written)
            and all(0 <= number <= (_MAX_S if name.endswith("_s") else _MAX) for name, number in numbers.items())
            and 0 <= self.num_jobs <= _MAX_JOBS
        )


def limit_size(max_new_tokens: int) -> int:
    """Return the place in ``ModelProfile.written`` of a limit of at least one token."""
    return min(NUM_LIMITS - 1, (max_new_tokens - 1).bit_length())


def merged(profiles: Iterable[ModelProfile]) -> ModelProfile | None:
    """Return the one profile that prices a model: the mean of those of its workers.

    Those that have seen more jobs count more, and those that were never measured, or can't be used, not at
    all. None if there is no other.
    """
    known = [profile for profile in profiles if profile.is_known and profile.is_usable]
    if not known:
        return None
    weights = [1.0 + profile.num_jobs for profile in known]

    def mean(values: Iterable[float]) -> float:
        return sum(weight * value for weight, value in zip(weights, values, strict=True)) / sum(weights)

    return msgspec.structs.replace(
        max(known, key=lambda profile: profile.num_jobs),
        written=[mean(profile.written[size] for profile in known) for size in range(NUM_LIMITS)],
        num_jobs=sum(profile.num_jobs for profile in known),
        **{name: mean(getattr(profile, name) for profile in known) for name in _MEANS},
    )
