"""How many tokens an answer may and must have: the request overrides the package, within what the model can hold."""

from dataclasses import dataclass

from contracts.errors import InvalidRequest
from contracts.generation_parameters import GenerationParameters
from contracts.model_package.graphs import Generation

PARAM = "parameters.generate_parameters"
"""Request field of the generation parameters, for error messages."""


@dataclass(frozen=True)
class LengthLimits:
    """Limits of one answer in new tokens, which do not count the tokens that the decoder starts with."""

    requested: int | None
    """Maximum that the request sets."""
    default: int | None
    """Maximum that the package sets."""
    minimum: int
    capacity: int
    """What the decoder has room for."""
    min_length: int = 0
    min_new_tokens: int = 0
    """Both as in `Constraints`."""

    def max_new_tokens(self, estimate: int | None) -> int:
        """Return the most tokens to generate for one source.

        Args:
            estimate: how many tokens an answer to this source can be expected to need; None: no estimate. It limits the
                package's default, never what the request sets.
        """
        if self.requested is not None:
            return self.requested
        # The minimum counts more than the estimate: a package that sets it knows its answers, the estimate guesses.
        limits = [limit for limit in (self.default, estimate) if limit is not None]
        return min(self.capacity, max(1, self.minimum, min(limits, default=self.capacity)))


def length_limits(
    parameters: GenerationParameters, generation: Generation, *, num_start_tokens: int, max_tokens: int
) -> LengthLimits:
    """Return the limits of a job's answers.

    As in transformers, ``max_new_tokens`` overrides ``max_length``, and ``min_new_tokens`` overrides ``min_length``.

    Args:
        parameters: the request's.
        generation: the package's defaults.
        num_start_tokens: tokens that the decoder starts with. ``max_length`` and ``min_length`` count them.
        max_tokens: most tokens that the decoder can hold, including these.

    Raises:
        InvalidRequest: a limit is above what the model can generate, or the minimum is above the maximum.
    """
    capacity = max_tokens - num_start_tokens
    requested = _requested_max(parameters, num_start_tokens, capacity)
    minimum = _requested_min(parameters, num_start_tokens, capacity if requested is None else requested)
    return LengthLimits(
        requested=requested,
        default=None if generation.max_length is None else max(1, generation.max_length - num_start_tokens),
        minimum=max(0, generation.min_length - num_start_tokens) if minimum is None else minimum,
        capacity=capacity,
        min_length=_min_length(parameters, generation),
        min_new_tokens=parameters.min_new_tokens or 0,
    )


def _requested_max(parameters: GenerationParameters, num_start_tokens: int, capacity: int) -> int | None:
    name, requested = "max_new_tokens", parameters.max_new_tokens
    if requested is None and parameters.max_length is not None:
        name, requested = "max_length", parameters.max_length - num_start_tokens
    if requested is not None and requested > capacity:
        raise InvalidRequest(
            f"{name} asks for {requested} new tokens; the model generates at most {capacity}.", param=f"{PARAM}.{name}"
        )
    if requested is not None and requested < 1:
        raise InvalidRequest(
            f"max_length is {parameters.max_length}, but the decoder starts with {num_start_tokens} tokens already.",
            param=f"{PARAM}.max_length",
        )
    return requested


def _requested_min(parameters: GenerationParameters, num_start_tokens: int, maximum: int) -> int | None:
    name, requested = "min_new_tokens", parameters.min_new_tokens
    if requested is None and parameters.min_length is not None:
        name, requested = "min_length", max(0, parameters.min_length - num_start_tokens)
    if requested is not None and requested > maximum:
        raise InvalidRequest(
            f"{name} asks for at least {requested} new tokens; there can be at most {maximum}.", param=f"{PARAM}.{name}"
        )
    return requested


def _min_length(parameters: GenerationParameters, generation: Generation) -> int:
    # Also a min_new_tokens of 0 overrides the package's min_length, and `Constraints` takes 0 for none.
    if parameters.min_new_tokens is not None:
        return 0
    return generation.min_length if parameters.min_length is None else parameters.min_length
