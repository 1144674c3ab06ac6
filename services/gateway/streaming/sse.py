"""Encodes server-sent events, as the HTML standard defines them.

A comment is one line, without the empty line that ends an event: once OpenAI's clients have seen an ``id``, they take
an empty line after a comment for an event without data, and fail to parse it.
"""

from collections.abc import Sequence

KEEPALIVE_S = 15.0
"""Proxies close connections on which nothing arrives: nginx does after 60 s by default."""
KEEPALIVE = b": keepalive\n"


def comment(text: str) -> bytes:
    """Return a line that clients ignore."""
    return b": %b\n" % text.encode()


def event(data: bytes, *, event_id: str = "", name: str = "") -> bytes:
    """Return one event. ``data`` has no line breaks."""
    head = f"id: {event_id}\n" if event_id else ""
    head += f"event: {name}\n" if name else ""
    return b"%bdata: %b\n\n" % (head.encode(), data)


def events(items: Sequence[bytes], event_id: str) -> bytes:
    """Return several events that come from one event of the job.

    Only the last one has its id: a client that resumes after this id must have received them all.
    """
    last = len(items) - 1
    return b"".join(event(item, event_id=event_id if index == last else "") for index, item in enumerate(items))
