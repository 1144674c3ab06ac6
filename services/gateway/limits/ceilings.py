"""Refuses requests that ask for more than their tenant may ask for in one. Step 1 on the path of a job."""

from collections.abc import Mapping

from contracts.errors import LimitExceeded
from contracts.limits import RECORD_BYTES, how_to_set
from contracts.price.demand import Demand
from services.gateway.limits.book import Limits


def check_ceilings(times: Mapping[str, float | None], demand: Demand, message: bytes, limits: Limits) -> None:
    """Check what a request asks for.

    Args:
        times: ``deadline_s``, ``timeout_s`` and ``ttl_s``; None for what the request does not set.
        demand: what a model would have to do for it.
        message: what crosses the queue.
        limits: of its tenant.

    Raises:
        LimitExceeded: it is more than the tenant may ask for.
    """
    _check_times(times, limits)
    _check_tokens(demand, limits)
    _check_size(message, limits)


def _check_times(times: Mapping[str, float | None], limits: Limits) -> None:
    for name, value in times.items():
        most: float = getattr(limits, f"max_{name}")
        if value is not None and value > most:
            raise _exceeded(limits, f"max_{name}", most, f"Expected at most {most:g} seconds", param=name)


def _check_tokens(demand: Demand, limits: Limits) -> None:
    if demand.max_new_tokens is None:
        return  # its model writes about as much as it reads, which the limit of bodies bounds
    num_sequences = 1 if demand.num_sequences is None else demand.num_sequences
    new_tokens = demand.num_rows * num_sequences * demand.max_new_tokens
    if new_tokens > limits.max_tokens:
        message = (
            f"{demand.num_rows} inputs x {num_sequences} sequences x {demand.max_new_tokens} new tokens are "
            f"{new_tokens} tokens. Send fewer inputs in one request, or ask for less text"
        )
        raise _exceeded(limits, "max_tokens", limits.max_tokens, message, param="inputs")


def _check_size(message: bytes, limits: Limits) -> None:
    num_bytes = len(message) + RECORD_BYTES
    if num_bytes > limits.max_bytes:
        raise _exceeded(limits, "max_bytes", limits.max_bytes, f"The request takes {num_bytes} bytes", param="inputs")


def _exceeded(limits: Limits, name: str, value: float, message: str, *, param: str) -> LimitExceeded:
    return LimitExceeded(f"{message}: {name} is {value:.15g} (set by {how_to_set(name, limits.tenant)}).", param=param)
