"""What a model costs on a worker, and what is learned of its texts. Heartbeats bring profiles, the store keeps them."""

from collections.abc import Iterable

import msgspec

NUM_LIMITS = 21
"""Sizes of limits that are told apart: up to 1, 2, 4, … tokens, which is up to a million."""


class ModelProfile(msgspec.Struct, frozen=True, kw_only=True):
    """Work-seconds of a model on one kind of device, and how many tokens its texts have.

    The work of a job is ``request_s``, and ``row_s`` for each input, ``token_in_s`` for each token that is read, and
    ``token_out_s`` for each that is decoded, in all sequences and beams. These are the times of a worker that is full,
    so a job costs the same at any load.
    """

    device: str = "cpu"
    request_s: float = 0.0
    row_s: float = 0.0
    token_in_s: float = 0.0
    token_out_s: float = 0.0
    tokens_per_char: float = 0.3
    """Tokens read for each character, as ``demand.num_chars`` counts them."""
    written: list[float] = msgspec.field(default_factory=lambda: [1.0] * NUM_LIMITS)
    """Share of the most tokens of a sequence that is written, by `limit_size` of the limit: a quantile."""
    written_per_token_in: float = 1.0
    """Tokens written for each that is read, where the request sets no limit: a quantile."""
    num_jobs: float = 0.0
    """Jobs that this was learned from, the older ones counting less."""

    @property
    def is_known(self) -> bool:
        """Whether the model has been measured."""
        return self.token_in_s > 0 or self.row_s > 0 or self.request_s > 0


def limit_size(max_new_tokens: int) -> int:
    """Return the place in ``ModelProfile.written`` of a limit of at least one token."""
    return min(NUM_LIMITS - 1, (max_new_tokens - 1).bit_length())


def merged(profiles: Iterable[ModelProfile]) -> ModelProfile | None:
    """Return the mean of the profiles of a model's workers, in which those that have seen more jobs count more.

    Those that were never measured don't count. None if there is no other.
    """
    known = [profile for profile in profiles if profile.is_known]
    if not known:
        return None
    weights = [1.0 + profile.num_jobs for profile in known]

    def mean(values: Iterable[float]) -> float:
        return sum(weight * value for weight, value in zip(weights, values, strict=True)) / sum(weights)

    numbers = {
        name: mean(getattr(profile, name) for profile in known)
        for name in ("request_s", "row_s", "token_in_s", "token_out_s", "tokens_per_char", "written_per_token_in")
    }
    written = [mean(profile.written[size] for profile in known) for size in range(NUM_LIMITS)]
    num_jobs = sum(profile.num_jobs for profile in known)
    return ModelProfile(device=known[0].device, written=written, num_jobs=num_jobs, **numbers)
