"""Names of cache tensors in exported graphs: an input is a past, and the output that replaces it is its present."""

from collections.abc import Iterable

PAST = "past_key_values"
_PRESENT, _OF_SOURCE = "present", ".encoder."


def present(past: str) -> str:
    """Return the name of the output that becomes this input in the next call."""
    return past.replace(PAST, _PRESENT)


def pasts(inputs: Iterable[str], *, of_source: bool) -> list[str]:
    """Return the cache inputs of cross-attention (``of_source``, constant) or of self-attention (growing)."""
    return [name for name in inputs if name.startswith(PAST) and (_OF_SOURCE in name) == of_source]
