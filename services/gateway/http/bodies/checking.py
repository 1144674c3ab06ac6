"""Parses and checks a body: a small one at once, a larger one in the gateway's child process.

The child returns the checked value in MessagePack, which takes little time to decode: texts are copied and nothing is
searched. So what a body costs the event loop follows from what it may hold, and not from what somebody made of it.
"""

from collections.abc import Callable
from typing import Any, Generic, TypeVar

import gevent
import msgspec

from contracts.errors import PayloadTooLarge
from services.gateway.http.bodies.parsing import ParseTask, check_in_child, parse_body
from services.gateway.offload.client import Offload
from services.gateway.offload.errors import CallLimitExceeded

T = TypeVar("T")
SMALL_BYTES = 64 * 1024
"""A body up to this length is parsed where it arrives: that takes milliseconds, whatever it holds."""
_CPU_S = 5.0
"""For a larger one. 8 MiB take some hundredths of a second, and the worst that is accepted less than one."""
_MAX_WAIT_S = 3.0
"""For its turn. Nothing was accepted yet, so its client hears soon that it should come later, and not after 30 s."""


class BodyCheck(Generic[T]):
    """How one kind of body is checked.

    Args:
        function: from a parsed body and ``arguments`` to the checked value, or to an InvalidRequest. It is at the top
            of a module, since a child process calls it by its name.
        kind: the type of the checked value, as msgspec takes it.
    """

    def __init__(self, function: Callable[..., T], kind: Any, *arguments: str) -> None:
        self.function = function
        self.arguments = arguments
        self._decoder: msgspec.msgpack.Decoder[T] = msgspec.msgpack.Decoder(kind)

    def __call__(self, document: Any) -> T:
        """Return a parsed body as its type. Raises InvalidRequest."""
        return self.function(document, *self.arguments)

    def decode(self, encoded: bytes) -> T:
        """Return a checked value that came from the child."""
        return self._decoder.decode(encoded)


def checked(
    raw: bytes, check: BodyCheck[T], offload: Offload, *, is_form: bool, owner: str, on_turn: Callable[[], None]
) -> T:
    """Return a body as its type. ``owner`` and ``on_turn`` are those of ``Offload.call``.

    Raises:
        MalformedBody, PayloadTooLarge, InvalidRequest: it can't be parsed, or it does not fit.
        GatewayBusy, GatewayShareReached: too many large bodies wait to be parsed.
    """
    if len(raw) <= SMALL_BYTES:
        return check(parse_body(raw, is_form=is_form))
    function = check.function
    task = msgspec.msgpack.encode(ParseTask(function.__module__, function.__qualname__, check.arguments, is_form, raw))
    del raw  # its copy waits for its turn, and nobody else holds it
    try:
        encoded = offload.call(check_in_child, task, owner=owner, cpu_s=_CPU_S, max_wait_s=_MAX_WAIT_S, on_turn=on_turn)
    except CallLimitExceeded as error:
        raise PayloadTooLarge("The body takes too much time to parse. Send the inputs in several requests.") from error
    value = check.decode(encoded)
    gevent.sleep(0)  # decoding took milliseconds, and what the route does next will: others have their turn in between
    return value
