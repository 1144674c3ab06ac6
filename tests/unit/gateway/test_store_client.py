"""What requests ask the store in one turn of the event loop goes out in one round trip, and fails one by one."""

from typing import Any

import gevent
import redis

from services.gateway.store.client import MAX_COMMANDS, TurnClient


class _Pipeline:
    def __init__(self, client: "_Client") -> None:
        self._client = client
        self._commands: list[Any] = []

    def __enter__(self) -> "_Pipeline":
        return self

    def __exit__(self, *error: object) -> None:
        pass

    def execute_command(self, *args: Any, **options: Any) -> None:
        self._commands.append(args)

    def execute(self, raise_on_error: bool) -> list[Any]:
        assert not raise_on_error
        return self._client.round_trip(self._commands)


class _Client(TurnClient):
    """Echoes commands; round trips take a turn of the loop, as with a real store."""

    def __init__(self) -> None:
        super().__init__(redis.ConnectionPool())
        self.round_trips: list[int] = []
        self.is_lost = False

    def round_trip(self, commands: list[Any]) -> list[Any]:
        self.round_trips.append(len(commands))
        gevent.sleep(0.01)
        if self.is_lost:
            raise redis.ConnectionError("refused")
        return [redis.ResponseError("no such command") if args[0] == "BAD" else args for args in commands]

    def pipeline(self, transaction: bool = True, shard_hint: Any = None) -> Any:
        return _Pipeline(self)

    def _execute(self, args: tuple[Any, ...], options: dict[str, Any]) -> Any:
        with self._counted():
            (reply,) = self.round_trip([args])
            if isinstance(reply, Exception):
                raise reply
            return reply


def ask(client: _Client, *names: str) -> list[Any]:
    """Return the replies or errors to commands of as many greenlets."""

    def one(name: str) -> Any:
        try:
            return client.execute_command(name)
        except redis.RedisError as error:
            return error

    greenlets = [gevent.spawn(one, name) for name in names]
    gevent.joinall(greenlets, raise_error=True)
    return [greenlet.value for greenlet in greenlets]


def test_one_greenlet_alone_waits_for_nobody() -> None:
    client = _Client()
    assert ask(client, "A") == ask(client, "A") == [("A",)]
    assert client.round_trips == [1, 1]


def test_a_crowd_shares_round_trips_of_bounded_size_and_each_gets_its_reply() -> None:
    client = _Client()
    names = [str(number) for number in range(2 * MAX_COMMANDS + 3)]
    assert ask(client, *names) == [(name,) for name in names]
    assert sorted(client.round_trips) == [1, 2, MAX_COMMANDS, MAX_COMMANDS]


def test_a_command_that_fails_harms_no_other() -> None:
    client = _Client()
    first, good, bad, last = ask(client, "A", "B", "BAD", "C")
    assert (first, good, last) == (("A",), ("B",), ("C",)) and isinstance(bad, redis.ResponseError)


def test_a_store_that_is_lost_is_an_error_for_all_and_nothing_stays_behind() -> None:
    client = _Client()
    client.is_lost = True
    assert all(isinstance(reply, redis.ConnectionError) for reply in ask(client, "A", "B", "C"))
    client.is_lost = False
    assert ask(client, "A") == [("A",)]
    assert client.round_trips == [1, 2, 1]
