"""Refuses requests that ask for more than their tenant may ask for in one. Step 1 on the path of a job."""

from collections.abc import Mapping
from typing import NamedTuple

from contracts.errors import LimitExceeded
from contracts.limits import RECORD_BYTES, set_by
from contracts.price.demand import Demand
from contracts.price.estimate import reading_of
from contracts.price.profile import ModelProfile
from services.gateway.limits.book import Limits


class Asked(NamedTuple):
    """What a request asks for."""

    times: Mapping[str, float | None]
    """``deadline_s``, ``timeout_s`` and ``ttl_s``; None for what the request does not set."""
    demand: Demand
    """What a model would have to do for it."""
    profile: ModelProfile | None
    """Of the model; None if that was not measured."""
    num_bytes: int
    """Of what crosses the queue, and of what is kept beside it."""


def check_ceilings(asked: Asked, limits: Limits) -> None:
    """Check what a request of a tenant asks for. Raises LimitExceeded if the tenant may not ask for so much."""
    _check_times(asked.times, limits)
    _check_tokens(asked.demand, asked.profile, limits)
    _check_size(asked.num_bytes, limits)


def _check_times(times: Mapping[str, float | None], limits: Limits) -> None:
    for name, value in times.items():
        most: float = getattr(limits, f"max_{name}")
        if value is not None and value > most:
            raise _exceeded(limits, f"max_{name}", most, f"Expected at most {most:g} seconds", param=name)


def _check_tokens(demand: Demand, profile: ModelProfile | None, limits: Limits) -> None:
    of_each = demand.max_new_tokens or demand.min_new_tokens
    if not of_each:
        return  # its model writes about as much as it reads, which the limit of bodies bounds
    num_rows, rows = _rows(demand, profile)
    num_sequences = demand.num_sequences
    if num_sequences is None:
        num_sequences = profile.num_beams if profile else 1
    new_tokens = num_rows * num_sequences * of_each
    if new_tokens > limits.max_tokens:
        message = (
            f"{rows} x {num_sequences} sequences x {of_each} new tokens are {new_tokens} tokens. Send fewer inputs in "
            f"one request, or set {_limiting_field(demand)} lower"
        )
        raise _exceeded(limits, "max_tokens", limits.max_tokens, message, param="inputs")


def _limiting_field(demand: Demand) -> str:
    """Return the parameter that limits the new tokens of each sequence."""
    folder = "parameters.generate_parameters" if demand.follows_input else "parameters"
    return f"{folder}.{'max_new_tokens' if demand.max_new_tokens else 'min_new_tokens'}"


def _rows(demand: Demand, profile: ModelProfile | None) -> tuple[int, str]:
    """Return what the limit of new tokens holds for, as number and as words: inputs, or pieces of them."""
    # Of what is split, as the price has it: one input may be a book, and each of its sentences may have so many tokens.
    num_rows = demand.num_rows if profile is None else round(reading_of(profile, demand).num_rows)
    return num_rows, f"{num_rows} inputs" if num_rows == demand.num_rows else f"about {num_rows} pieces of the inputs"


def _check_size(num_bytes: int, limits: Limits) -> None:
    num_bytes += RECORD_BYTES
    if num_bytes > limits.max_bytes:
        raise _exceeded(limits, "max_bytes", limits.max_bytes, f"The request takes {num_bytes} bytes", param="inputs")


def _exceeded(limits: Limits, name: str, value: float, message: str, *, param: str) -> LimitExceeded:
    by = set_by(name, limits.tenant, limits.own)
    return LimitExceeded(f"{message}: {name} is {value:.15g} (set by {by}).", param=param)
