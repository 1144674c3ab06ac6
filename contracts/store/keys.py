"""Every key in Redis, its type, its meaning, and who removes it (all under the prefix ``triptych:``).

    job:<id>               HASH    the record                                TTL ttl_s once terminal; till then in `due`
    events:<id>            STREAM  what happened to the job, for SSE          with its job
    tombstone:<id>         STRING  tenant; distinguishes 410 from 404         TTL ttl_s + 7 days
    due                    ZSET    unfinished jobs by time of the next check  finish, delete, reap
    expiring               ZSET    id|tenant of ended jobs by expiry time     reap, delete
    waiting:<queue>        ZSET    queued jobs by the time they were queued   claim, next, finish
    watermark:<queue>      STRING  messages pushed before have left the queue TTL 7 days
    alone:<worker>         STRING  the suspect that runs on this worker       leave_worker; TTL deadline + 1 h
    claim:<token>          STRING  the job that a call of `next` has claimed  TTL 60 s
    active                 HASH    tenant -> number of unfinished jobs        finish, when it reaches 0
    jobs:<tenant>          ZSET    ids by creation time, for listing          reap when the record expires, delete
    idem:<tenant>:<hash>   HASH    job id and fingerprint of a request        TTL 24 h
    finished               HASH    model|status -> number of jobs, a metric   one field a model and status, kept
    wake                   CHANNEL ids of changed jobs, separated by spaces   -
    model:<name>           STRING  the card that a worker announced           TTL 7 days       (store/registry.py)
    models                 SET     names of announced models                  registry, when model:<name> is gone
    models_since           ZSET    the same by time of their first announcement  registry, when model:<name> is gone
    default_models         HASH    task -> model of requests that name none   one field a task, kept (registry.py)
    worker:<id>            STRING  the last heartbeat of a worker             TTL three beats  (store/registry.py)
    workers                SET     ids of workers                             registry, when worker:<id> is gone
    probe                  STRING  written by gateways to find out if they may  TTL 60 s
    api_keys               HASH    key id -> hash and tenant                  its owner  (gateway/auth/api_keys.py)
    triptych.<model>[.suspect]  LIST  Celery's messages (no prefix), next to kombu's own `_kombu.binding.*`

A test compares this table with what Redis holds after jobs have gone through every state.
"""

PREFIX = "triptych:"
WAKE_CHANNEL = PREFIX + "wake"


def job_key(job_id: str) -> str:
    """Return the key of a job's record."""
    return f"{PREFIX}job:{job_id}"


def events_key(job_id: str) -> str:
    """Return the key of a job's event stream."""
    return f"{PREFIX}events:{job_id}"


def waiting_key(queue: str) -> str:
    """Return the key of the jobs that wait in a queue."""
    return f"{PREFIX}waiting:{queue}"
