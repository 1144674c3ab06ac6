"""The client of the store for requests: when it is busy, what they ask in one turn of the loop goes out together.

Requests come in crowds. A worker ends several jobs at once, whose clients get their answers in the same moment, and
send their next requests. A round trip for each costs the gateway more than the commands themselves.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import gevent
import redis
from gevent.event import AsyncResult

MAX_COMMANDS = 16
"""Commands of one round trip, which bounds how long one waits for the replies to others: some have megabytes."""


class TurnClient(redis.Redis):
    """A client for many greenlets. A command raises its own error, or that of the round trip."""

    def __init__(self, pool: redis.ConnectionPool) -> None:
        super().__init__(connection_pool=pool)
        self._asked: list[_Command] = []
        self._num_sent = 0
        """Round trips that have not ended."""

    def execute_command(self, *args: Any, **options: Any) -> Any:
        """Send a command, perhaps together with those of other greenlets, and return its reply."""
        if not self._num_sent:
            return self._execute(args, options)  # nobody else is there, for whom it would be worth the while
        command = _Command(args, options)
        self._asked.append(command)
        if len(self._asked) == 1:
            # A new greenlet runs after all that are ready now, so their commands join this one.
            gevent.spawn(self._send_all)
        return command.result.get()

    def _send_all(self) -> None:
        asked, self._asked = self._asked, []
        # What is left over goes out at the same time, on other connections.
        for start in range(MAX_COMMANDS, len(asked), MAX_COMMANDS):
            gevent.spawn(self._send, asked[start : start + MAX_COMMANDS])
        self._send(asked[:MAX_COMMANDS])

    def _send(self, commands: "list[_Command]") -> None:
        try:
            replies = self._replies(commands)
        except Exception as error:  # of any kind: a greenlet without a reply would wait for ever
            replies = [error] * len(commands)
        for command, reply in zip(commands, replies, strict=True):
            if isinstance(reply, Exception):
                command.result.set_exception(reply)
            else:
                command.result.set(reply)

    def _replies(self, commands: "list[_Command]") -> list[Any]:
        if len(commands) == 1:
            return [self._execute(commands[0].args, commands[0].options)]
        with self._counted(), self.pipeline(transaction=False) as pipeline:
            for command in commands:
                pipeline.execute_command(*command.args, **command.options)  # type: ignore[no-untyped-call]
            return pipeline.execute(raise_on_error=False)

    def _execute(self, args: tuple[Any, ...], options: dict[str, Any]) -> Any:
        with self._counted():
            return super().execute_command(*args, **options)  # type: ignore[no-untyped-call]

    @contextmanager
    def _counted(self) -> Iterator[None]:
        self._num_sent += 1
        try:
            yield
        finally:
            self._num_sent -= 1


class _Command:
    def __init__(self, args: tuple[Any, ...], options: dict[str, Any]) -> None:
        self.args = args
        self.options = options
        self.result: AsyncResult = AsyncResult()
