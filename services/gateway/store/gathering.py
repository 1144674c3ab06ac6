"""Handles together what several greenlets ask at the same time.

Requests come in crowds. A worker ends several jobs at once, whose clients get their answers in the same moment, and
send their next requests. A round trip for each costs the gateway more than the commands themselves.
"""

from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

import gevent
from gevent.event import AsyncResult

Item = TypeVar("Item")
Reply = TypeVar("Reply")


class Gathering(Generic[Item, Reply]):
    """Collects items of one turn of the event loop.

    Args:
        handle: returns for each item a reply, or an error for its greenlet alone. What it raises is everybody's.
        max_items: that it takes at once. What is left over is handled at the same time, by other greenlets.
    """

    def __init__(self, handle: Callable[[Sequence[Item]], Sequence[Reply | Exception]], max_items: int) -> None:
        self._handle = handle
        self._max_items = max_items
        self._waiting: list[_Waiting[Item, Reply]] = []

    def ask(self, item: Item) -> Reply:
        """Return the reply to an item, perhaps handled together with those of other greenlets. Raises its error."""
        waiting = _Waiting[Item, Reply](item)
        if not self._waiting:
            # A new greenlet runs after all that are ready now, so their items join this one.
            gevent.spawn(self._handle_all)
        self._waiting.append(waiting)
        reply: Reply = waiting.result.get()
        return reply

    def _handle_all(self) -> None:
        waiting, self._waiting = self._waiting, []
        for start in range(self._max_items, len(waiting), self._max_items):
            gevent.spawn(self._handle_some, waiting[start : start + self._max_items])
        self._handle_some(waiting[: self._max_items])

    def _handle_some(self, waiting: "list[_Waiting[Item, Reply]]") -> None:
        replies: Sequence[Reply | Exception]
        try:
            replies = self._handle([one.item for one in waiting])
        except Exception as error:  # of any kind: a greenlet without a reply would wait for ever
            replies = [error] * len(waiting)
        for one, reply in zip(waiting, replies, strict=True):
            if isinstance(reply, Exception):
                one.result.set_exception(reply)
            else:
                one.result.set(reply)


class _Waiting(Generic[Item, Reply]):
    def __init__(self, item: Item) -> None:
        self.item = item
        self.result: AsyncResult = AsyncResult()
