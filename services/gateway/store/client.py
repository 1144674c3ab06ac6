"""The client of the store for requests: when it is busy, what they ask in one turn of the loop goes out together."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import redis

from services.gateway.store.gathering import Gathering

MAX_COMMANDS = 16
"""Commands of one round trip, which bounds how long one waits for the replies to others: some have megabytes."""


class _Command(NamedTuple):
    args: tuple[Any, ...]
    options: dict[str, Any]


class TurnClient(redis.Redis):
    """A client for many greenlets. A command raises its own error, or that of the round trip."""

    def __init__(self, pool: redis.ConnectionPool) -> None:
        super().__init__(connection_pool=pool)
        self._commands: Gathering[_Command, Any] = Gathering(self._replies, MAX_COMMANDS)
        self._num_sent = 0
        """Round trips that have not ended."""

    def execute_command(self, *args: Any, **options: Any) -> Any:
        """Send a command, perhaps together with those of other greenlets, and return its reply."""
        if not self._num_sent:
            return self._execute(args, options)  # nobody else is there, for whom it would be worth the while
        return self._commands.ask(_Command(args, options))

    def _replies(self, commands: Sequence[_Command]) -> list[Any]:
        if len(commands) == 1:
            return [self._execute(*commands[0])]
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
