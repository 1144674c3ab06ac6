"""Frames of server-sent events, as the HTML standard describes them.

A comment is a line of its own and no more: OpenAI's clients take an empty line after a comment for an event without
data, and fail on it, once they have seen an ``id``.
"""

from collections.abc import Sequence

KEEPALIVE_S = 15.0
KEEPALIVE = b": keepalive\n"


def comment(text: str) -> bytes:
    """Return a line that clients pass over."""
    return b": %b\n" % text.encode()


def event(data: bytes, *, event_id: str = "", name: str = "") -> bytes:
    """Return one event. ``data`` has no line breaks."""
    head = f"id: {event_id}\n" if event_id else ""
    head += f"event: {name}\n" if name else ""
    return b"%bdata: %b\n\n" % (head.encode(), data)


def events(items: Sequence[bytes], event_id: str) -> bytes:
    """Return several events that tell one thing: only with the last of them does a client have it all, and its id."""
    last = len(items) - 1
    return b"".join(event(item, event_id=event_id if index == last else "") for index, item in enumerate(items))
