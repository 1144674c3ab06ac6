"""The job store: the one reader and writer of the job record, and of every other key in Redis.

Each change is one Lua script (``contracts/store/lua``), so it happens whole or not at all, by Redis's clock, and can be
sent again after a lost reply without doing anything twice. On the path of a job: steps 2 (submit), 4 (claim),
7 (finish) and 8 (read).

Every key, its type, meaning, and who removes it (all under the prefix ``triptych:``):

    job:<id>               HASH    the record                                TTL ttl_s once terminal; till then in `due`
    events:<id>            STREAM  what happened to the job, for SSE          with its job
    tombstone:<id>         STRING  tenant; tells 410 from 404                 TTL ttl_s + 7 days
    due                    ZSET    every live job by when to look at it       finish, delete, reap
    expiring               ZSET    id|tenant of ended jobs by when they go    reap, delete
    waiting:<queue>        ZSET    queued jobs by when they entered           claim, finish
    watermark:<queue>      STRING  messages pushed before have left the queue TTL 7 days
    alone:<worker>         STRING  the suspect that runs on this worker       finish, release; TTL deadline + 1 h
    claim:<token>          STRING  the job that a call of `next` has claimed  TTL 60 s
    active                 HASH    tenant -> unfinished jobs                  finish, when it reaches 0
    jobs:<tenant>          ZSET    ids by creation, for listing               reap when the record goes, delete
    idem:<tenant>:<hash>   HASH    job id and fingerprint of a request        TTL 24 h
    finished               HASH    model|status -> how many, for metrics      one field a model and status, kept
    wake                   CHANNEL ids that changed, by spaces, for waiters   -
    model:<name>           STRING  what a worker announced of its model       TTL 7 days       (store/registry.py)
    models                 SET     names of announced models                  registry, when model:<name> is gone
    worker:<id>            STRING  heartbeat of a worker                      TTL three beats  (store/registry.py)
    workers                SET     ids of workers                             registry, when worker:<id> is gone
    api_keys               HASH    key id -> hash and tenant                  its owner  (gateway/auth/api_keys.py)
    triptych.<model>[.suspect]  LIST  Celery's messages (no prefix), beside kombu's own `_kombu.binding.*`
"""

import re
import secrets
from collections.abc import Iterable, Iterator, Sequence
from importlib import resources
from typing import Any

import msgspec
import redis
from redis.commands.core import Script

from contracts import errors
from contracts.jobs import Answer, Claim, Event, Job, JobError, NewJob, Status, queue_of
from contracts.settings import StoreSettings
from contracts.store.celery_app import MESSAGE_TEMPLATE
from contracts.store.redis_client import reads

PREFIX = "triptych:"
WAKE_CHANNEL = PREFIX + "wake"
REAP_LIMIT = 200
MAX_EVENTS_READ = 1000
IDEMPOTENCY_TTL_S = 24 * 3600
_SCRIPTS = ("submit", "claim", "next", "beat", "progress", "publish", "finish", "release", "cancel", "delete", "reap")
_FIELDS = [
    *("tenant", "task", "model", "status", "version", "attempt", "crashes", "created_at", "deadline_at", "started_at"),
    *("completed_at", "expires_at", "progress_done", "progress_total", "model_revision", "worker", "metadata"),
    *("output", "usage", "timings", "error_code", "error_message", "error_param"),
]
_EVENT_ID = re.compile(r"[0-9]{1,15}(-[0-9]{1,15})?")
_BYTES = frozenset({"metadata", "output", "usage", "timings"})
_ERRORS = {
    "mismatch": errors.IdempotencyMismatch,
    "queue_full": errors.QueueFull,
    "quota_exceeded": errors.QuotaExceeded,
}
_MESSAGES = {
    "mismatch": "This Idempotency-Key was used for another request. Use a new key for a new request.",
    "queue_full": "The queue of model {model} is full. Nothing was accepted; try again later.",
    "quota_exceeded": "You have as many unfinished jobs as you may have. Wait for some to finish.",
}


class Admission(msgspec.Struct, frozen=True):
    """Limits that `submit` applies: jobs waiting for one model, and unfinished jobs of one tenant."""

    max_waiting: int = 1_000_000
    max_active: int = 1_000_000


class JobStore:
    """Reads and writes job records through one Redis client.

    Every method raises ``redis.RedisError`` when the store is out of reach; calls can be repeated safely.
    """

    def __init__(self, client: "redis.Redis", *, lease_s: float, republish_after_s: float, max_crashes: int) -> None:
        self.client = client
        self._reads = reads(client)
        self.lease_s = lease_s
        self._republish_after_s = republish_after_s
        self._max_crashes = max_crashes
        source = resources.files("contracts.store") / "lua"
        common = f"local MESSAGE = [==[{MESSAGE_TEMPLATE}]==]\n" + (source / "common.lua").read_text()
        # With its memory full, Redis must refuse new jobs and nothing else: a lease that can't be renewed or a job
        # that can't end would punish what was accepted. Submitting is refused at its first write, so it leaves nothing.
        self._scripts: dict[str, Script] = {
            name: client.register_script(
                ("" if name == "submit" else "#!lua flags=allow-oom\n") + common + (source / f"{name}.lua").read_text()
            )
            for name in _SCRIPTS
        }

    @classmethod
    def of(cls, client: "redis.Redis", settings: StoreSettings) -> "JobStore":
        """Return a store with the clocks of a deployment."""
        return cls(
            client,
            lease_s=settings.lease_s,
            republish_after_s=settings.republish_after_s,
            max_crashes=settings.max_crashes,
        )

    def _run(self, script: str, *args: Any) -> Any:
        return self._scripts[script](args=args)

    # -- gateway ----------------------------------------------------------------------------------------------------

    def submit(self, job: NewJob, admission: Admission) -> tuple[str, bool]:
        """Write a job's record; from then on it reaches a terminal state whatever dies.

        Returns:
            The job's id, and whether it is the job of an earlier request with the same idempotency key.

        Raises:
            IdempotencyMismatch, QueueFull, QuotaExceeded: nothing was written.
        """
        record = [
            *("tenant", job.tenant, "task", job.task, "model", job.model, "request", job.request),
            *("metadata", job.metadata, "progress_total", job.num_inputs),
            *("timeout_s", job.timeout_s, "ttl_s", job.ttl_s),
        ]
        reply = self._run(
            "submit",
            *(job.id, job.idempotency_key, job.fingerprint, IDEMPOTENCY_TTL_S),
            *(admission.max_waiting, admission.max_active, self._republish_after_s, job.deadline_s),
            *record,
        )
        outcome = reply[0].decode()
        if outcome in _ERRORS:
            raise _ERRORS[outcome](_MESSAGES[outcome].format(model=job.model))
        job_id = reply[1].decode()
        return job_id, job_id != job.id

    def read(self, job_id: str, tenant: str) -> Job:
        """Return a tenant's job.

        Raises:
            JobNotFound: no such job, or another tenant's.
            JobGone: this tenant's job, deleted or past its ``ttl_s``.
        """
        job = _job_from(job_id, self._reads.hmget(f"{PREFIX}job:{job_id}", _FIELDS))
        if job is not None and job.tenant == tenant:
            return job
        mark = self._reads.get(f"{PREFIX}tombstone:{job_id}") if job is None else None
        if mark is not None and mark.decode() == tenant:
            raise errors.JobGone
        raise errors.JobNotFound

    def position(self, job: Job) -> int | None:
        """Return how many jobs wait before this queued one, or None when it does not wait."""
        for suspect in (False, True):
            rank = self._reads.zrank(f"{PREFIX}waiting:{queue_of(job.model, suspect=suspect)}", job.id)
            if rank is not None:
                return rank
        return None

    def cancel(self, job_id: str, tenant: str) -> Job:
        """Ask for a job to stop, and return it as it then is. Raises as ``read``."""
        self.read(job_id, tenant)
        self._run("cancel", job_id)
        return self.read(job_id, tenant)

    def delete(self, job_id: str, tenant: str) -> None:
        """Purge a job's record, request and output; a running attempt is fenced off. Raises as ``read``."""
        self.read(job_id, tenant)
        self._run("delete", job_id)

    def page(
        self, tenant: str, *, status: Status | None, task: str | None, after: tuple[float, str] | None, limit: int
    ) -> tuple[list[Job], tuple[float, str] | None]:
        """Return a page of a tenant's jobs, newest first, and where the next page starts (None: at its end).

        ``after`` is such a start. A page looks at a bounded number of records, so with a filter that few jobs pass
        it may be short, or empty, and still have a next page.
        """
        found: list[Job] = []
        last, num_looked = after, 0
        for entries in self._listed(tenant, after):
            for entry, job in zip(entries, self._read_many([job_id for _, job_id in entries]), strict=True):
                if len(found) == limit or num_looked == 20 * limit:
                    return found, last
                last, num_looked = entry, num_looked + 1
                if job and status in (None, job.status) and task in (None, job.task):
                    found.append(job)
        return found, None

    def _listed(self, tenant: str, after: tuple[float, str] | None) -> Iterator[list[tuple[float, str]]]:
        """Yield (created, id) in chunks, newest first, after a place in that order; equal times are ordered by id."""
        key, offset = f"{PREFIX}jobs:{tenant}", 0
        newest = "+inf" if after is None else repr(after[0])
        while rows := self._reads.zrevrangebyscore(key, newest, "-inf", start=offset, num=100, withscores=True):
            if newest == "+inf":
                newest = repr(rows[0][1])  # jobs submitted from here on must not shift the offset
            entries = [(score, member.decode()) for member, score in rows]
            yield [entry for entry in entries if after is None or entry < after]
            offset += len(rows)

    def _read_many(self, job_ids: list[str]) -> list[Job | None]:
        pipeline = self.client.pipeline(transaction=False)
        for job_id in job_ids:
            pipeline.hmget(f"{PREFIX}job:{job_id}", _FIELDS)
        return [_job_from(job_id, values) for job_id, values in zip(job_ids, pipeline.execute(), strict=True)]

    def events(self, job_id: str, after: str) -> list[Event]:
        """Return the job's events after the one with id ``after`` (``0`` for all), oldest first: ``MAX_EVENTS_READ``.

        Raises:
            InvalidRequest: ``after`` is not an event's id.
        """
        return self.events_of_many([(job_id, after)])[0]

    def events_of_many(self, asked: Sequence[tuple[str, str]]) -> list[list[Event]]:
        """Return the events of each (id, after) as ``events`` does, in one round trip. Raises as it."""
        pipeline = self.client.pipeline(transaction=False)
        for job_id, after in asked:
            if not _EVENT_ID.fullmatch(after):
                raise errors.InvalidRequest("This is not the id of an event.", param="Last-Event-ID")
            pipeline.xrange(f"{PREFIX}events:{job_id}", min=f"({after}", count=MAX_EVENTS_READ)
        return [[_event_from(entry_id, fields) for entry_id, fields in rows] for rows in pipeline.execute()]

    # -- worker -----------------------------------------------------------------------------------------------------

    def claim(self, job_id: str, worker: str) -> Claim | None:
        """Start an attempt at a queued job, or return None when there is nothing to run."""
        return _claim_from(self._run("claim", job_id, worker, self.lease_s, secrets.token_hex(8)))

    def claim_next(self, queue: str, worker: str) -> Claim | None:
        """Start an attempt at the oldest job that waits in a queue, or return None when none does."""
        return _claim_from(self._run("next", queue, worker, self.lease_s, secrets.token_hex(8)))

    def beat(self, attempts: Iterable[tuple[str, int]]) -> set[str]:
        """Renew the leases of these (id, attempt); return the ids that must stop: fenced, cancelled or expired."""
        flat = [value for attempt in attempts for value in attempt]
        return {job_id.decode() for job_id in self._run("beat", self.lease_s, *flat)}

    def progress(self, claim: Claim, done: int, total: int | None = None) -> None:
        """Record how much is done; without effect when the attempt no longer owns the job.

        It is counted in inputs, or in parts of them, of which there are ``total``, if the job is read in more parts.
        """
        self._run("progress", claim.id, claim.attempt, done, "" if total is None else total)

    def publish(self, growth: Iterable[tuple[Claim, bytes]], token: str) -> set[str]:
        """Tell what streamed jobs have grown by, in one call for all; return the ids that must stop, as ``beat``.

        With the token of the call before, a job that was told that time is not told again.

        The bytes are JSON, a list of ``contracts.generation.TextDelta``; empty for a job with nothing new. A job that
        is no longer this attempt's, or past its deadline, tells nothing more.
        """
        flat = [value for claim, pieces in growth for value in (claim.id, claim.attempt, pieces)]
        return {job_id.decode() for job_id in self._run("publish", token, *flat)}

    def succeed(self, claim: Claim, answer: Answer) -> bool:
        """Store an answer as the job's one result; return False when another attempt owns the job by now."""
        fields = (
            *("output", answer.output, "usage", answer.usage, "timings", answer.timings),
            *("model_revision", answer.model_revision),
        )
        return bool(self._run("finish", claim.id, claim.attempt, "succeeded", *fields))

    def fail(self, claim: Claim, error: errors.TriptychError) -> bool:
        """Store why the job failed; return False when another attempt owns the job by now."""
        # A message may quote what no UTF-8 can hold; failing to say why a job failed would leave it running for ever.
        fields = [b"error_code", error.code.encode(), b"error_message", error.message.encode(errors="replace")]
        if error.param:
            fields += [b"error_param", error.param.encode(errors="replace")]
        return bool(self._run("finish", claim.id, claim.attempt, "failed", *fields))

    def stopped(self, claim: Claim) -> bool:
        """Tell that a cancelled attempt has stopped; False: the job is not its own any more, or nobody cancelled it."""
        return bool(self._run("finish", claim.id, claim.attempt, "cancelled"))

    def release(self, claim: Claim) -> bool:
        """Give an attempt back to the queue unfinished; return False when it no longer owned the job."""
        return bool(self._run("release", claim.id, claim.attempt, self._republish_after_s))

    # -- both -------------------------------------------------------------------------------------------------------

    def reap(self) -> tuple[int, int]:
        """Look at the jobs whose time has come; return how many came from dead workers, and how many lost messages.

        Each gateway and each worker calls this every second; no leader is needed, since each look is one script.
        """
        total_taken, total_republished = 0, 0
        while True:
            looked, taken, republished = self._run("reap", REAP_LIMIT, self._republish_after_s, self._max_crashes)
            total_taken, total_republished = total_taken + taken, total_republished + republished
            if looked < REAP_LIMIT:
                return total_taken, total_republished

    # -- metrics ----------------------------------------------------------------------------------------------------

    def depth(self, model: str) -> tuple[int, float]:
        """Return how many jobs wait for a model, and for how many seconds the oldest has."""
        num_waiting, oldest = 0, None
        for suspect in (False, True):
            key = f"{PREFIX}waiting:{queue_of(model, suspect=suspect)}"
            num_waiting += self._reads.zcard(key)
            for _, score in self._reads.zrange(key, 0, 0, withscores=True):
                oldest = min(score, oldest or score)
        seconds, microseconds = self._reads.time()
        return num_waiting, max(0.0, seconds + microseconds / 1e6 - oldest) if oldest else 0.0

    def num_messages(self, queue: str) -> int:
        """Return how many messages wait in a queue and its suspect lane for a worker to take them."""
        return self._reads.llen(queue) + self._reads.llen(f"{queue}.suspect")

    def num_live(self) -> int:
        """Return how many jobs have not reached a terminal state."""
        return self._reads.zcard(f"{PREFIX}due")

    def num_finished(self) -> dict[tuple[str, str], int]:
        """Return how many jobs ended, by (model, status), since the store began."""
        counts = self._reads.hgetall(f"{PREFIX}finished")
        found = {}
        for key, count in counts.items():
            model, _, status = key.decode().rpartition("|")
            found[model, status] = int(count)
        return found


def _job_from(job_id: str, values: list[bytes | None]) -> Job | None:
    fields = {
        name: value if name in _BYTES else value.decode()
        for name, value in zip(_FIELDS, values, strict=True)
        if value is not None
    }
    if "status" not in fields:
        return None
    code = fields.pop("error_code", None)
    message, param = fields.pop("error_message", None), fields.pop("error_param", None)
    job: Job = msgspec.convert({"id": job_id, **fields}, Job, strict=False)
    if code:
        kind = errors.by_code(str(code))
        job.error = JobError(
            kind.code, str(message or kind.fixed_message), str(param) if param else None, kind.retryable
        )
    return job


def _event_from(entry_id: bytes, fields: dict[bytes, bytes]) -> Event:
    text = {name.decode(): value.decode() for name, value in fields.items()}
    return Event(entry_id.decode(), text.pop("event"), text)


def _claim_from(reply: Any) -> Claim | None:
    if reply is None:
        return None
    attempt, task, model, request, timeout_s, suspect, job_id = reply
    return Claim(
        id=job_id.decode(),
        attempt=attempt,
        task=task.decode(),
        model=model.decode(),
        request=request,
        timeout_s=float(timeout_s),
        suspect=suspect == b"1",
    )
