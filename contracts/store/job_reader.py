"""Reads job records, pages of them, and their events. Step 8 on the path of a job."""

import contextlib
import re
import time
from collections.abc import Iterable, Iterator, Sequence

import redis

from contracts import errors
from contracts.job_ids import age_of
from contracts.jobs import Event, Job, JobState, Status, queue_of
from contracts.store.clock import store_time
from contracts.store.keys import (
    PREFIX,
    events_key,
    flow_key,
    flows_key,
    job_key,
    running_key,
    shares_key,
    tenants_key,
    waiting_key,
)
from contracts.store.queues.places import Place, RunningWork, WaitingWork, part_left, place_in_flow, stored
from contracts.store.queues.shares import NOT_KNOWN, LaneUse, Shares
from contracts.store.records import (
    FIELDS,
    SMALL_FIELDS,
    converted,
    event_from,
    is_of_wrong_type,
    job_from,
    number,
    replies_of,
)
from contracts.store.redis_client import reads

MAX_EVENTS_READ = 1000
"""Events in one reply, which bounds the memory that it needs. A stream may have 65,536."""
GONE_S = 15 * 24 * 3600
"""How long after its submit a job that is gone is known to have been: the longest ``deadline_s`` and ``ttl_s``, and a
week."""
PAGE_S = 1.0
"""Longest time that a page looks for jobs that its filter matches."""
# One round trip reads this many ids of the index, and what the filter needs of these jobs.
_PAGE_CHUNK = 100
# Milliseconds and a counter. Both are 64-bit numbers in Redis, which refuses larger ones; 15 digits always fit.
EVENT_ID = re.compile(r"[0-9]{1,15}(-[0-9]{1,15})?")


class JobReader:
    """Reads jobs through one Redis client. Methods raise ``redis.RedisError`` when the store is out of reach."""

    def __init__(self, client: "redis.Redis") -> None:
        self._client = client
        self._reads = reads(client)

    def read(self, job_id: str, tenant: str) -> Job:
        """Return a tenant's job.

        Raises:
            JobNotFound: no such job, or another tenant's.
            JobGone: this tenant's job was deleted, or is past its ``ttl_s``.
            BrokenRecord: the record can't be used.
        """
        return self._read(job_id, tenant, FIELDS)

    def published(self, job_id: str, tenant: str, record: list[bytes | None]) -> Job:
        """Return a tenant's job from the record that the store has published at its end. Raises as ``read``."""
        return self._job_of(job_id, tenant, FIELDS, record)

    def summary(self, job_id: str, tenant: str) -> Job:
        """Return a tenant's job without its output. Raises as ``read``."""
        return self._read(job_id, tenant, SMALL_FIELDS)

    def _read(self, job_id: str, tenant: str, names: Sequence[str]) -> Job:
        return self._job_of(job_id, tenant, names, self._fields_of(job_id, names))

    def _job_of(self, job_id: str, tenant: str, names: Sequence[str], values: list[bytes | None]) -> Job:
        job = job_from(job_id, names, values)
        if job is None or job.tenant != tenant:
            raise self._absence(job_id, tenant, exists=job is not None)
        return job

    def state(self, job_id: str, tenant: str) -> JobState:
        """Return only the state of a tenant's job. Raises as ``read``."""
        names = ("tenant", "status", "version")
        owner, status, version = self._fields_of(job_id, names)
        if owner is None or status is None or owner != tenant.encode():
            raise self._absence(job_id, tenant, exists=owner is not None)
        return converted({"status": status, "version": version or b"1"}, JobState)

    def _fields_of(self, job_id: str, names: Sequence[str]) -> list[bytes | None]:
        try:
            return self._reads.hmget(job_key(job_id), names)
        except redis.ResponseError as error:
            if not is_of_wrong_type(error):
                raise
            return [None] * len(names)  # what is stored there is no record

    def _absence(self, job_id: str, tenant: str, *, exists: bool) -> errors.TriptychError:
        # Another tenant's job looks like one that never existed, so that nobody can find out which ids exist.
        if exists:
            return errors.JobNotFound()
        age_s = age_of(job_id, tenant, store_time(self._client))
        if age_s is not None and age_s < GONE_S:
            return errors.JobGone()
        # Jobs of older versions have left a key that names their tenant. The last of them goes after 14 days.
        owner = self._reads.get(f"{PREFIX}tombstone:{job_id}")
        return errors.JobGone() if owner is not None and owner.decode() == tenant else errors.JobNotFound()

    def place(self, job: Job, use: LaneUse = NOT_KNOWN) -> Place | None:
        """Return where a job waits, or None if it does not. ``use`` is that of its lane."""
        queue = queue_of(job.model)
        pipeline = self._client.pipeline(transaction=False)
        # A job moves between the lists when a worker dies, so the record that we hold does not say which one.
        lists = (waiting_key(queue_of(job.model, suspect=True)), waiting_key(queue))
        for key in (*lists, flow_key(queue, job.lane, job.tenant)):
            pipeline.zrank(key, job.id)
        pipeline.hget(job_key(job.id), "mark_s")
        pipeline.hget(flows_key(queue, job.lane), job.tenant)
        pipeline.zscore(tenants_key(queue, job.lane), job.tenant)
        pipeline.hget(running_key(queue), f"{job.lane} {job.tenant}")
        pipeline.hgetall(shares_key(queue))
        *ranks, mark_s, flow, start, running, found = replies_of(pipeline, instead=None)
        shares, price_s = Shares.of(found or {}), job.price_s or 0.0
        for rank in ranks[:2]:
            if rank is not None:
                # Of these lists only the numbers of jobs are counted.
                return Place(rank, None if rank else 0.0, price_s, part_left(shares) * shares.running, job.least_s)
        if ranks[2] is None:
            return None
        where = {"start": start or 0.0, "rank": ranks[2], "mark_s": number(mark_s or b"0"), "price_s": price_s}
        place = place_in_flow(shares, stored(WaitingWork, flow), stored(RunningWork, running), job.lane, use, **where)
        return place._replace(least_s=job.least_s)

    def page(
        self,
        tenant: str,
        *,
        status: Status | None,
        task: str | None,
        after: tuple[float, str] | None,
        limit: int,
        max_s: float = PAGE_S,
    ) -> tuple[list[Job], tuple[float, str] | None]:
        """Return a page of a tenant's jobs, newest first, and the ``after`` of the next page (None on the last).

        The jobs lack their outputs. With a filter that few jobs match, a page ends after ``max_s``, or after
        20 times ``limit`` jobs. So it may be short, or empty, and still have a next page.
        """
        found: list[str] = []
        last, num_read, deadline = after, 0, time.monotonic() + max_s
        for entries in self._listed(tenant, after):
            for entry, matches in zip(entries, self._matches(entries, status, task), strict=True):
                # With a rare filter, a page would otherwise read all jobs of a tenant while the client waits.
                if len(found) == limit or num_read == 20 * limit:
                    return self._read_many(found), last
                last, num_read = entry, num_read + 1
                if matches:
                    found.append(entry[1])
            # At least one entry, or the client would get its own cursor again.
            if num_read and time.monotonic() >= deadline:
                return self._read_many(found), last
        return self._read_many(found), None

    def _matches(self, entries: list[tuple[float, str]], status: Status | None, task: str | None) -> list[bool]:
        """Return which of these jobs fit the filter, from two short fields of each."""
        if status is None and task is None:
            return [True] * len(entries)
        rows = self._read_fields((job_id for _, job_id in entries), ("status", "task"))
        wanted = [None if one is None else one.encode() for one in (status, task)]
        return [all(one in (None, value) for one, value in zip(wanted, row, strict=True)) for row in rows]

    def _listed(self, tenant: str, after: tuple[float, str] | None) -> Iterator[list[tuple[float, str]]]:
        """Yield (creation time, id) in chunks, newest first, after an entry; equal times are ordered by id."""
        key, offset = f"{PREFIX}jobs:{tenant}", 0
        # repr restores exactly the same float. A rounded one would repeat entries or leave some out.
        newest = "+inf" if after is None else repr(after[0])
        while rows := self._reads.zrevrangebyscore(key, newest, "-inf", start=offset, num=_PAGE_CHUNK, withscores=True):
            if newest == "+inf":
                newest = repr(rows[0][1])  # jobs submitted from now on must not shift the offset
            entries = [(score, member.decode()) for member, score in rows]
            yield [entry for entry in entries if after is None or entry < after]
            offset += len(rows)

    def _read_many(self, job_ids: list[str]) -> list[Job]:
        """Return these jobs without their outputs; those that are purged meanwhile are left out."""
        rows = self._read_fields(job_ids, SMALL_FIELDS)
        jobs = []
        for job_id, values in zip(job_ids, rows, strict=True):
            with contextlib.suppress(errors.BrokenRecord):  # the page shows all others
                jobs.append(job_from(job_id, SMALL_FIELDS, values))
        return [job for job in jobs if job is not None]

    def _read_fields(self, job_ids: Iterable[str], names: Sequence[str]) -> list[list[bytes | None]]:
        # One round trip, but no transaction: Redis would serve nobody else until it had read the whole page.
        pipeline = self._client.pipeline(transaction=False)
        for job_id in job_ids:
            pipeline.hmget(job_key(job_id), names)
        return replies_of(pipeline, instead=[None] * len(names))

    def events(self, job_id: str, after: str) -> list[Event]:
        """Return up to ``MAX_EVENTS_READ`` events after the one with the id ``after`` (``0`` for all), oldest first.

        Raises:
            InvalidRequest: ``after`` is not an event's id.
        """
        return self.events_of_many([(job_id, after)])[0]

    def events_of_many(self, positions: Sequence[tuple[str, str]], count: int = MAX_EVENTS_READ) -> list[list[Event]]:
        """Return the events of each (job id, after) in one round trip. Arguments and errors are those of ``events``."""
        pipeline = self._client.pipeline(transaction=False)
        for job_id, after in positions:
            # The id comes from a client's header. Redis would refuse it with an error that looks like an outage.
            if not EVENT_ID.fullmatch(after):
                raise errors.InvalidRequest("This is not the id of an event.", param="Last-Event-ID")
            # The bracket excludes the event itself.
            pipeline.xrange(events_key(job_id), min=f"({after}", count=count)
        return [[event_from(*row) for row in rows if b"event" in row[1]] for rows in replies_of(pipeline, instead=[])]
