"""Every key in Redis, its type, its meaning, and who removes it (all under the prefix ``triptych:``).

    job:<id>               HASH    the record                                reap, evict, delete (UNLINK)
    events:<id>            STREAM  what happened to a job that is followed    with its job
    due                    ZSET    unfinished jobs by time of the next check  turn, reap, cancel, delete
    expiring               ZSET    ended jobs by expiry time                  reap, evict, delete
    delivered              ZSET    ended jobs whose client has the answer     reap, evict, delete
    broken                 ZSET    ids of records, and names of keys, that can't be used  an operator
    waiting:<queue>        ZSET    queued suspects, and jobs of older versions, by the time they were queued  turn
    waiting:<queue>:<lane>:<tenant>  ZSET  a flow: queued jobs of a tenant by time of submit  turn, when the last starts
    tenants:<queue>:<lane>  ZSET   tenants of whom jobs wait, by virtual start  turn, when the last one starts
    tags:<queue>:<lane>    ZSET    others by virtual end of what they had     turn, or when nothing waits or runs
    flows:<queue>:<lane>   HASH    tenant -> what waits of it (lua/shares/flows.lua)  turn, when the last one starts
    shares:<queue>         HASH    counts of its lanes (store/queues/shares.py)      when nothing waits or runs
    running:<queue>        HASH    lane and tenant -> what runs of it: jobs, work, weight  turn, with the last one
    running_jobs           HASH    id -> model, lane, tenant, price and weight of a job that runs  turn, heal_running
    group:<id>             SET     queued suspects that run together          turn, when the last one starts
    queues                 SET     queues in which jobs may wait              wake_queues, when none does
    turn:<worker>          STRING  number of its last turn, and what that has started  TTL 10 min
    clock                  STRING  seconds to add to the store's clock        kept (store/clock.py)
    reaped_at              STRING  time of the last pass of any reaper, or of the first turn  kept
    grace_until            STRING  until then no worker is taken for dead     kept
    reaper                 STRING  the reaper that has much to do, and when it last said so  kept
    active                 HASH    tenant -> number of unfinished jobs        when it reaches 0
    held                   HASH    tenant -> bytes of its requests and results  when it reaches 0 (lua/common/held.lua)
    limits                 HASH    tenant -> what is set for it               an operator  (store/tenants/limits.py)
    rate:<meter>           STRING  what is used of a rate, as of when, quota  TTL 2 days  (lua/common/meters.lua)
    ledger                 HASH    day|tenant|key|model -> counts of ended jobs  post_ledger, within a second
    usage:<day>:<tenant>   HASH    key|model -> counts; days since 1970       TTL 401 days  (store/tenants/usage.py)
    usage_tenants          ZSET    tenants by their last day in the ledger    post_ledger, 401 days later
    jobs:<tenant>          ZSET    ids by creation time, for listing          reap, evict, delete
    idem:<tenant>:<hash>   HASH    id, fingerprint and end of a request's job  TTL 24 h
    idems:<tenant>         ZSET    the hashes by time, to count them          TTL 24 h
    finished               HASH    model|status -> number of jobs, a metric   one field a model and status, kept
    served                 HASH    model|lane -> work that was started, in µs  one field a model and lane, kept
    wake:<gateway>         CHANNEL states of changed jobs, records of ended ones  -  (store/changes.py)
    model:<name>           STRING  the card that a worker announced           TTL 7 days       (store/registry.py)
    models                 SET     names of announced models                  registry, when model:<name> is gone
    models_since           ZSET    the same by time of their first announcement  registry, when model:<name> is gone
    default_models         HASH    task -> model of requests that name none   one field a task, kept (registry.py)
    worker:<id>            STRING  the last heartbeat of a worker             TTL three beats  (store/registry.py)
    workers                SET     ids of workers                             registry, when worker:<id> is gone
    profiles:<model>       HASH    worker -> what the model costs there, a JSON document  TTL 7 days, an hour a worker
                                                                              (store/profiles.py)
    probe                  STRING  written by gateways to find out if they may  TTL 60 s
    api_keys               HASH    key id -> hash, tenant, rates              its owner  (gateway/auth/api_keys.py)
    triptych.<model>[.suspect]  LIST  Celery's messages (no prefix)
    triptych.<model>:new   LIST    the same, for workers that have room for newcomers only

A test compares this table with what Redis holds after jobs have gone through every state.
"""

PREFIX = "triptych:"


def wake_channel(gateway: str) -> str:
    """Return the channel on which a gateway process hears of the jobs that it waits for."""
    return f"{PREFIX}wake:{gateway}"


def of_end_only(channel: str) -> str:
    """Return how a record names the channel of a gateway process that waits for the job's end and nothing else."""
    return f".{channel}"


def job_key(job_id: str) -> str:
    """Return the key of a job's record."""
    return f"{PREFIX}job:{job_id}"


def events_key(job_id: str) -> str:
    """Return the key of a job's event stream."""
    return f"{PREFIX}events:{job_id}"


def shares_key(queue: str) -> str:
    """Return the key of what waits in a queue's lanes, and of what they were given."""
    return f"{PREFIX}shares:{queue}"


def running_key(queue: str) -> str:
    """Return the key of how much runs of each tenant in each lane of a queue."""
    return f"{PREFIX}running:{queue}"


def waiting_key(queue: str) -> str:
    """Return the key of the suspects that wait in a queue, or of the jobs of older versions."""
    return f"{PREFIX}waiting:{queue}"


def flow_key(queue: str, lane: str, tenant: str) -> str:
    """Return the key of a tenant's jobs that wait in a lane of a queue."""
    return f"{PREFIX}waiting:{queue}:{lane}:{tenant}"


def flows_key(queue: str, lane: str) -> str:
    """Return the key of how much waits of each tenant in a lane of a queue."""
    return f"{PREFIX}flows:{queue}:{lane}"


def tags_key(queue: str, lane: str) -> str:
    """Return the key of the tenants of whom nothing waits in a lane of a queue, and of what they were given."""
    return f"{PREFIX}tags:{queue}:{lane}"


def tenants_key(queue: str, lane: str) -> str:
    """Return the key of the tenants of whom jobs wait in a lane of a queue."""
    return f"{PREFIX}tenants:{queue}:{lane}"
