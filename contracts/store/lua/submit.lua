-- Accept a job, or say why not. If the call is sent again with the same id, nothing changes and the reply is the same.
-- ARGV: id, idempotency key (hashed; '' for none), fingerprint, idempotency ttl s, most idempotency keys of a tenant,
--       max waiting, max active, deadline s, then field, value, … of the record
-- Returns {'created'|'replayed', id}, or {'mismatch'|'too_many_keys'|'queue_full'|'quota_exceeded'}.
-- Idempotency comes before the limits: a request that was accepted before is answered with its job, however full the
-- queue is now. Nothing is written before all checks have passed.
local id, key, fingerprint = ARGV[1], ARGV[2], ARGV[3]
local job = {id = id, status = 'queued', version = 0, attempt = 0}
for i = 9, #ARGV, 2 do job[ARGV[i]] = ARGV[i + 1] ~= '' and ARGV[i + 1] or nil end
job.deadline_at = now + tonumber(ARGV[8])

if redis.call('EXISTS', job_key(id)) == 1 then return {'created', id} end
local idem, idems = P .. 'idem:' .. job.tenant .. ':' .. key, P .. 'idems:' .. job.tenant
if key ~= '' then
  local earlier, known = unpack(redis.call('HMGET', idem, 'id', 'fingerprint'))
  if known and known ~= fingerprint then return {'mismatch'} end
  -- A job that is purged can't answer, so the same request runs anew.
  if earlier and redis.call('EXISTS', job_key(earlier)) == 1 then return {'replayed', earlier} end
  redis.call('ZREMRANGEBYSCORE', idems, '-inf', stamp(now - tonumber(ARGV[4])))
  if not known and redis.call('ZCARD', idems) >= tonumber(ARGV[5]) then return {'too_many_keys'} end
end
if redis.call('ZCARD', P .. 'waiting:' .. queue_of(job)) >= tonumber(ARGV[6]) then return {'queue_full'} end
if tonumber(redis.call('HGET', P .. 'active', job.tenant) or 0) >= tonumber(ARGV[7]) then return {'quota_exceeded'} end

redis.call('HSET', job_key(id), 'status', 'queued', 'version', 1, 'attempt', 0, 'crashes', 0, 'created_at', stamp(now),
  'queued_at', stamp(now), 'deadline_at', stamp(job.deadline_at), 'idem', key, unpack(ARGV, 9))
add_step(active_steps, job.tenant, 1)
if key ~= '' then
  redis.call('HSET', idem, 'id', id, 'fingerprint', fingerprint, 'status', 'queued')
  redis.call('EXPIRE', idem, ARGV[4])
  redis.call('ZADD', idems, stamp(now), key)
  redis.call('EXPIRE', idems, ARGV[4])
end
redis.call('ZADD', P .. 'jobs:' .. job.tenant, stamp(now), id)
if job.followed then append(job, 'queued') end
enter_queue(job)
return {'created', id}
