"""Reads the ledger: what the ended jobs of tenants have taken, for each day, key and model.

The script that ends a job enters it (lua/common/ledger.lua), and the reaper posts entries to the accounts of tenants
within a second (lua/post_ledger.lua). Readers add up both. Days are those of the store's clock in UTC.
"""

from collections.abc import Iterator, Sequence
from datetime import date, timedelta

import msgspec
import redis

from contracts.store.keys import PREFIX

KEPT_DAYS = 400
_CHUNK = 200
"""Accounts of one call: the store serves nobody else meanwhile."""
_NUM_PARTS = 4
"""Of an entry's name: day, tenant, key and model."""
_EPOCH = date(1970, 1, 1)


class Counts(msgspec.Struct, frozen=True):
    """Jobs by their end, and what they took. The fields have the order in which the scripts write them."""

    succeeded: int = 0
    failed: int = 0
    cancelled: int = 0
    expired: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    work_us: int = 0
    """Microseconds of work. Where a worker did not say what a job took, its estimate."""
    estimated_us: int = 0
    """The same, as it was estimated when the jobs were submitted."""
    bytes_in: int = 0
    """Of requests, as they cross the queue."""
    bytes_out: int = 0
    """Of outputs."""

    def __add__(self, other: "Counts") -> "Counts":
        pairs = zip(msgspec.structs.astuple(self), msgspec.structs.astuple(other), strict=True)
        return Counts(*(mine + more for mine, more in pairs))

    @property
    def num_jobs(self) -> int:
        """Jobs that have ended."""
        return self.succeeded + self.failed + self.cancelled + self.expired


class Entry(msgspec.Struct, frozen=True):
    """What the jobs of one tenant, day, key and model took.

    Key and model are empty for what had no room of its own, and the key for requests without one.
    """

    day: date
    tenant: str
    key: str
    model: str
    counts: Counts


class UsageReader:
    """Reads the ledger. Methods raise ``redis.RedisError`` when the store is out of reach."""

    def __init__(self, client: "redis.Redis") -> None:
        self._client = client

    def tenants(self, start: date) -> list[str]:
        """Return the tenants whose jobs have ended on this day or later."""
        # In one transaction, or the reaper would post the first entry of a tenant in between, who would be in neither.
        with self._client.pipeline(transaction=True) as pipeline:
            pipeline.zrangebyscore(f"{PREFIX}usage_tenants", _number(start), "+inf")
            pipeline.hkeys(f"{PREFIX}ledger")
            posted, keys = pipeline.execute()
        names = (name.split(b"|") for name in keys)
        entered = (parts[1] for parts in names if len(parts) >= _NUM_PARTS)
        return sorted({tenant.decode(errors="replace") for tenant in (*posted, *entered)})

    def entries(self, tenants: Sequence[str], start: date, end: date) -> Iterator[Entry]:
        """Yield the entries of tenants from ``start`` to ``end``, both included; one may come in parts."""
        days = [_number(start) + offset for offset in range((end - start).days + 1)]
        accounts = [(day, tenant) for day in days for tenant in tenants]
        for first in range(0, len(accounts), _CHUNK):
            yield from self._read(accounts[first : first + _CHUNK])

    def _read(self, accounts: list[tuple[int, str]]) -> Iterator[Entry]:
        # In one transaction, or the reaper would post entries in between, and they would count twice or not at all.
        with self._client.pipeline(transaction=True) as pipeline:
            pipeline.hgetall(f"{PREFIX}ledger")
            for day, tenant in accounts:
                pipeline.hgetall(f"{PREFIX}usage:{day}:{tenant}")
            entered, *posted = pipeline.execute()
        for (day, tenant), account in zip(accounts, posted, strict=True):
            for name, counts in account.items():
                yield from _entries(day, tenant, name.decode(errors="replace"), counts)
        wanted = set(accounts)
        for name, counts in entered.items():
            day, _, rest = name.decode(errors="replace").partition("|")
            tenant, _, rest = rest.partition("|")
            if day.isdecimal() and (int(day), tenant) in wanted:
                yield from _entries(int(day), tenant, rest, counts)


def _entries(day: int, tenant: str, name: str, counts: bytes) -> Iterator[Entry]:
    """Yield the entry with this name, or nothing if it can't be read. It must not hide the others."""
    key, found, model = name.partition("|")
    values = [int(value) for value in counts.split() if value.isdigit()]
    # Those of a newer version may have more counts.
    if found and len(values) >= len(Counts.__struct_fields__):
        yield Entry(_day(day), tenant, key, model, Counts(*values[: len(Counts.__struct_fields__)]))


def _number(day: date) -> int:
    return (day - _EPOCH).days


def _day(number: int) -> date:
    return _EPOCH + timedelta(days=number)
