"""The table of keys in `contracts/store/keys.py` describes every key in Redis, and no key stays for ever."""

import re

import redis

from contracts.cards import ModelCard
from contracts.errors import TriptychError
from contracts.limits import Meter
from contracts.store import keys
from contracts.store.queues.admission import Admission
from contracts.store.registry import Registry
from tests.redis.builders import ANSWER, QUEUE, SUSPECTS, TENANT, claimed, come_due, new_job, pass_deadline, submit
from tests.support.job_store import JobStore
from tests.support.waiting import wait_until

ROW = re.compile(r"^ {4}(?P<key>\S+) +(?P<type>HASH|STREAM|STRING|ZSET|SET|LIST|CHANNEL) +(?P<rest>.+)$", re.M)
KEPT = {"finished", "served", "reaped_at", "usage_tenants"}
"""Their size does not depend on the number of jobs, so they are never removed."""


class Row:
    """One line of the table."""

    def __init__(self, match: re.Match[str]) -> None:
        name = match["key"]
        self.name = name
        self.type = match["type"].lower()
        self.has_ttl = "TTL" in match["rest"]
        prefix = "" if name.startswith("triptych.") else "triptych:"
        pattern = re.sub(r"<\w+>", "<>", prefix + name)
        pattern = re.escape(pattern).replace("<>", ".+").replace(r"\[\.suspect\]", r"(\.suspect)?")
        self.pattern = re.compile(pattern)


ROWS = [Row(match) for match in ROW.finditer(keys.__doc__ or "")]


def row_of(key: str) -> Row:
    """Return the line that describes a key: the one whose name has the most literal text."""
    fitting = [row for row in ROWS if row.pattern.fullmatch(key)]
    assert fitting, f"{key} is not in the table of contracts/store/keys.py"
    return max(fitting, key=lambda row: len(re.sub(r"<\w+>|\[.*\]", "", row.name)))


def check_keys(client: redis.Redis) -> set[str]:
    """Check every key in the store against the table; return the names of the lines that matched."""
    met = set()
    for raw in client.scan_iter():
        key = raw.decode()
        row = row_of(key)
        kind = client.type(raw).decode()
        assert kind == row.type, f"{key} is a {kind}; the table says {row.type}"
        met.add(row.name)
    return met


def unfinished_in_every_state(store: JobStore, ttl_s: float) -> list[str]:
    """Bring jobs into every state, with crashes, groups and idempotency keys; return those that are unfinished."""
    submit(store, ttl_s=ttl_s, idempotency_key="k", fingerprint="f")
    succeeded = claimed(store, ttl_s=ttl_s, followed=True)
    store.succeed(succeeded, ANSWER)
    store.mark_delivered([succeeded.id], ttl_s)
    store.fail(claimed(store, ttl_s=ttl_s), TriptychError())
    store.cancel(claimed(store, ttl_s=ttl_s).id, TENANT)
    store.delete(claimed(store, ttl_s=ttl_s).id, TENANT)
    expired = submit(store, ttl_s=ttl_s)
    pass_deadline(store, expired)
    crashed = [claimed(store, ttl_s=ttl_s) for _ in range(6)]
    come_due(store, *(taken.id for taken in crashed))
    store.reap()
    store.turn("w2", sources=[SUSPECTS], max_jobs=1)
    submit(store, tenant="other", ttl_s=ttl_s)
    store.turn("w3", sources=[QUEUE], max_jobs=1)
    submit(store, ttl_s=ttl_s)
    store.submit(new_job(ttl_s=ttl_s), Admission(meters=(Meter(f"requests:tenant:{TENANT}", 60, 1),)))
    store.delete(submit(store), TENANT)  # no reaper has posted it to the ledger yet
    return [job_id.decode() for job_id in store.client.zrange("triptych:due", 0, -1)]


def test_the_table_is_parsed() -> None:
    assert {"job:<id>", "due", "waiting:<queue>", "wake:<gateway>", "triptych.<model>[.suspect]"} <= {
        row.name for row in ROWS
    }
    assert len(ROWS) >= 18


def test_every_key_is_in_the_table_with_its_type(store: JobStore) -> None:
    unfinished_in_every_state(store, ttl_s=60.0)
    Registry(store.client).announce(
        ModelCard(
            name="minilm", task="embed", family="encoder", revision="r", licence="l", description="", max_tokens=1
        )
    )
    found = check_keys(store.client)
    promised = {row.name for row in ROWS if row.type != "channel"}
    elsewhere = {
        "worker:<id>",
        "profiles:<model>",
        "workers",
        "api_keys",
        "probe",
        "clock",
        "grace_until",
        "reaper",
        "broken",
        "limits",
    }
    assert promised - found <= elsewhere, "these keys do not exist"


def test_nothing_without_a_ttl_is_left_once_every_job_is_gone(store: JobStore) -> None:
    for job_id in unfinished_in_every_state(store, ttl_s=0.2):
        tenant = store.client.hget(f"triptych:job:{job_id}", "tenant").decode()
        store.cancel(job_id, tenant)
        come_due(store, job_id)
    store.reap()
    assert store.num_live() == 0

    def remaining() -> set[str]:
        store.reap()
        return {row_of(key.decode()).name for key in store.client.scan_iter()}

    lasting = {"turn:<worker>", "usage:<day>:<tenant>", "rate:<meter>", "idem:<tenant>:<hash>", "idems:<tenant>"} | KEPT
    wait_until(lambda: remaining() <= lasting, "a key outlived its job")
    for key in store.client.scan_iter():
        row = row_of(key.decode())
        assert (store.client.ttl(key) > 0) == (row.name not in KEPT), f"{key!r}: {row.name}"
        assert row.has_ttl == (row.name not in KEPT)
