"""What is wrong with the store, from the replies of Redis and Valkey as the client library parses them."""

import pytest
import redis
from redis._parsers.base import BaseParser

from contracts.errors import Unavailable
from contracts.store.problems import TIMEOUT, UNKNOWN, UNREACHABLE, problem_of

REPLIES = {
    "MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist to disk.": "MISCONF",
    "MISCONF Errors writing to the AOF file: No space left on device": "MISCONF",
    "READONLY You can't write against a read only replica. script: 8a, on @user_script:171.": "READONLY",
    "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.": "MASTERDOWN",
    "NOREPLICAS Not enough good replicas to write. script: on @user_script:171.": "NOREPLICAS",
    "NOPERM User u has no permissions to run the 'evalsha' command": "NOPERM",
    "ERR The user executing the script can't publish to the channel mentioned in the command": "NOPERM",
    "ERR ACL failure in script: User u has no permissions to run the 'hset' command": "NOPERM",
    "WRONGPASS invalid username-password pair or user is disabled.": "WRONGPASS",
    "NOAUTH Authentication required.": "NOAUTH",
    "OOM command not allowed when used memory > 'maxmemory'.": "OOM",
    "LOADING Redis is loading the dataset in memory": "LOADING",
    "BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.": "BUSY",
    "ERR max number of clients reached": "maxclients",
    "ERR unknown command 'FLY'": "unknown",
    "WRONGTYPE Operation against a key holding the wrong kind of value": "unknown",
}


@pytest.mark.parametrize(("reply", "code"), REPLIES.items())
def test_each_refusal_has_its_own_sentence(reply: str, code: str) -> None:
    problem = problem_of(BaseParser.parse_error(reply))  # type: ignore[no-untyped-call]
    assert problem.code == code
    error = problem.unavailable()
    assert isinstance(error, Unavailable) and error.message.startswith(problem.sentence)
    assert "out of reach" not in error.message
    assert code.islower() or code in problem.sentence


def test_a_store_that_can_not_be_reached_is_no_refusal() -> None:
    assert problem_of(redis.ConnectionError("Error 111 connecting to 127.0.0.1:1. Connection refused.")) == UNREACHABLE
    assert problem_of(redis.TimeoutError("Timeout reading from 127.0.0.1:1")) == TIMEOUT
    assert problem_of(redis.DataError("Invalid input")) == UNKNOWN
