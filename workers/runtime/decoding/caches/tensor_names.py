"""How the graphs that write name their caches: a past goes in, and the present that it becomes comes out."""

from collections.abc import Iterable

PAST = "past_key_values"
_PRESENT, _OF_SOURCE = "present", ".encoder."


def present(past: str) -> str:
    """Return the output that becomes this input in the next call."""
    return past.replace(PAST, _PRESENT)


def pasts(inputs: Iterable[str], *, of_source: bool) -> list[str]:
    """Return the inputs that are a cache of the source, which stays, or of the text, which grows with each token."""
    return [name for name in inputs if name.startswith(PAST) and (_OF_SOURCE in name) == of_source]
