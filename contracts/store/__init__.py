"""Everything that is kept in Redis: job records, queues, announcements of workers, and the Celery app that they share.

Nobody else writes these keys (`keys` lists them all). A caller takes the part that it needs:

* a gateway: `job_writer` (submit, follow, cancel, delete, mark answers as delivered), `job_reader` (records, pages,
  events), `queues` (what waits, and whether one more job may), `tenants` (limits and usage), `reaper`
* a worker: `attempt_store` (take turns, renew leases, publish, release, abandon) with the values in `attempts`,
  `queues.stats`, `reaper`
* both: `registry` (which models and workers there are), `profiles` (what models cost), `redis_client`, `problems` (what
  is wrong with the store)

Each change of a job is one Lua script in ``lua/``, so it happens whole or not at all, by the store's clock (`clock`).
Every script may be sent again after a lost reply without doing anything twice, because the client retries broken
connections. None makes more than 500 calls of Redis, however much there is to do: whoever has more calls it again.
"""
