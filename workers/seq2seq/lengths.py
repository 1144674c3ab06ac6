"""How long answers may be and must be: as the request says, else as the package does, within what the model can do."""

from dataclasses import dataclass

from contracts.errors import InvalidRequest
from contracts.generation_parameters import GenerationParameters
from contracts.model_package.manifest import Generation

WHERE = "parameters.generate_parameters"


@dataclass(frozen=True)
class Lengths:
    """Of an answer, in new tokens: the decoder's prefix is not counted."""

    asked: int | None
    """Most tokens as the request says."""
    usual: int | None
    """Most tokens as the package says."""
    least: int
    """Fewest tokens."""
    most: int
    """What the model has room for."""
    min_length: int = 0
    min_new_tokens: int = 0
    """Both as `Constraints` has them."""

    def max_new_tokens(self, bound: int) -> int:
        """Return the most tokens of one answer. ``bound`` says what its source makes likely; a request overrules it."""
        if self.asked is not None:
            return self.asked
        return min(self.most, max(1, self.least, min(self.usual or self.most, bound)))


def lengths_of(
    parameters: GenerationParameters, generation: Generation, *, num_prefix: int, max_tokens: int
) -> Lengths:
    """Return the lengths of a job's answers.

    As in transformers, ``max_new_tokens`` overrules ``max_length``, and ``min_new_tokens`` ``min_length``.

    Args:
        parameters: of the request.
        generation: the package's defaults.
        num_prefix: tokens that the decoder starts with.
        max_tokens: most tokens that the decoder can hold, these included.

    Raises:
        InvalidRequest: more is asked for than the model can write, or a text shorter than itself.
    """
    most = max_tokens - num_prefix
    asked, wanted = _checked(parameters, num_prefix, most)
    return Lengths(
        asked=asked,
        usual=None if generation.max_length is None else max(1, generation.max_length - num_prefix),
        least=max(0, generation.min_length - num_prefix) if wanted is None else wanted,
        most=most,
        min_length=_min_length(parameters, generation),
        min_new_tokens=parameters.min_new_tokens or 0,
    )


def _checked(parameters: GenerationParameters, num_prefix: int, most: int) -> tuple[int | None, int | None]:
    """Return the most and the fewest new tokens that the request asks for."""
    name, asked = _most_asked(parameters, num_prefix)
    if asked is not None and asked > most:
        raise InvalidRequest(
            f"{name} asks for {asked} new tokens; the model writes {most} at most.", param=f"{WHERE}.{name}"
        )
    if asked is not None and asked < 1:
        raise InvalidRequest(
            f"max_length is {parameters.max_length}, and the decoder starts with {num_prefix} of its tokens.",
            param=f"{WHERE}.max_length",
        )
    limit = most if asked is None else asked
    name, wanted = _least_asked(parameters, num_prefix)
    if wanted is not None and wanted > limit:
        raise InvalidRequest(
            f"{name} asks for {wanted} new tokens at least, and there can be {limit} at most.", param=f"{WHERE}.{name}"
        )
    return asked, wanted


def _most_asked(parameters: GenerationParameters, num_prefix: int) -> tuple[str, int | None]:
    if parameters.max_new_tokens is not None or parameters.max_length is None:
        return "max_new_tokens", parameters.max_new_tokens
    return "max_length", parameters.max_length - num_prefix


def _least_asked(parameters: GenerationParameters, num_prefix: int) -> tuple[str, int | None]:
    if parameters.min_new_tokens is not None or parameters.min_length is None:
        return "min_new_tokens", parameters.min_new_tokens
    return "min_length", max(0, parameters.min_length - num_prefix)


def _min_length(parameters: GenerationParameters, generation: Generation) -> int:
    if parameters.min_new_tokens is not None:
        return 0
    return generation.min_length if parameters.min_length is None else parameters.min_length
