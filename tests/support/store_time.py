"""The time of a store, which tests let pass at once."""

from datetime import date
from typing import TYPE_CHECKING

from contracts.store.clock import store_time
from contracts.store.keys import PREFIX

if TYPE_CHECKING:
    import redis

DAY_S = 86_400
EPOCH = date(1970, 1, 1).toordinal()


def let_pass(client: "redis.Redis", seconds: float) -> None:
    """Let time pass at once, for the store and for reapers that start from now on."""
    now = store_time(client)
    offset = float(client.get(f"{PREFIX}clock") or 0)
    client.mset({f"{PREFIX}clock": f"{offset + seconds:.6f}", f"{PREFIX}reaped_at": f"{now + seconds:.6f}"})


def begin_day(client: "redis.Redis") -> None:
    """Let the next day begin for the store, so that a test of days does not meet midnight."""
    let_pass(client, DAY_S - store_time(client) % DAY_S)


def day_number(client: "redis.Redis") -> int:
    """Return how many whole days have passed since the epoch, by the time of the store."""
    return int(store_time(client)) // DAY_S


def today(client: "redis.Redis") -> date:
    """Return the day of the store, in UTC."""
    return date.fromordinal(EPOCH + day_number(client))
