"""The HTTP calls of the supervisor and the demo, with the standard library only."""

import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

# The stack is on this machine, so a proxy from the environment must not be used.
_opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class CallError(Exception):
    """A call got no response, or one that is no success; the message quotes it."""


def call(url: str, body: object = None, *, timeout_s: float = 30.0) -> Any:
    """GET ``url``, or POST ``body`` to it as JSON; return the decoded response.

    Raises:
        CallError: no response in time, or a status of 400 and above.
    """
    with _answer(url, body, timeout_s) as answer:
        return json.load(answer)


def stream(url: str, body: dict[str, Any], *, timeout_s: float = 30.0) -> Iterator[Any]:
    """POST ``body`` to ``url`` with ``stream`` set; yield the decoded data of each server-sent event as it comes.

    Raises:
        CallError: no response in time, a status of 400 and above, or an error in the stream.
    """
    with _answer(url, {**body, "stream": True}, timeout_s) as answer:
        for line in answer:
            data = line.removeprefix(b"data:").strip() if line.startswith(b"data:") else b""
            if not data or data == b"[DONE]":
                continue
            item = json.loads(data)
            if "error" in item:
                raise CallError(f"the stream of POST {url} ended with {item}")
            yield item


@contextmanager
def _answer(url: str, body: object, timeout_s: float) -> Iterator[Any]:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"})  # noqa: S310 - http, our own
    try:
        with _opener.open(request, timeout=timeout_s) as answer:
            yield answer
    except urllib.error.HTTPError as error:
        with error:
            text = error.read(500).decode(errors="replace")
        raise CallError(f"{request.get_method()} {url} returned status {error.code}: {text}") from error
    except (OSError, ValueError) as error:
        raise CallError(f"{request.get_method()} {url}: {error}") from error


def is_ready(url: str) -> bool:
    """Return whether the gateway at ``url`` reports that it is ready."""
    try:
        with _opener.open(f"{url}/readyz", timeout=2) as answer:
            return bool(answer.status == 200)
    except (OSError, ValueError):
        return False
