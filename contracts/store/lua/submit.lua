-- Accept a job, or say why not. If the call is sent again with the same id, nothing changes and the reply is the same.
-- ARGV: id, idempotency key (hashed; '' for none), fingerprint, idempotency ttl s, most idempotency keys of a tenant,
--       max waiting, max active, deadline s, then field, value, … of the record, without fields that are empty
-- Returns {'created'|'replayed', id}, or {'mismatch'|'too_many_keys'|'queue_full'|'quota_exceeded'}.
-- Idempotency comes before the limits: a request that was accepted before is answered with its job, however full the
-- queue is now. Nothing is written before all checks have passed.
local id, key, fingerprint, idem_ttl_s = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4])
local job = {id = id, attempt = 0}
for i = 9, #ARGV, 2 do job[ARGV[i]] = ARGV[i + 1] end
job.deadline_at = now + tonumber(ARGV[8])
local idem, idems = P .. 'idem:' .. job.tenant .. ':' .. key, P .. 'idems:' .. job.tenant

-- Return the reply if an earlier request had this key, or the tenant has too many of them.
local function reply_by_key()
  local earlier, known = unpack(redis.call('HMGET', idem, 'id', 'fingerprint'))
  if known and known ~= fingerprint then return {'mismatch'} end
  -- A job that is purged can't answer, so the same request runs anew.
  if earlier and redis.call('EXISTS', job_key(earlier)) == 1 then return {'replayed', earlier} end
  if not known and redis.call('ZCOUNT', idems, stamp(now - idem_ttl_s), '+inf') >= tonumber(ARGV[5]) then
    return {'too_many_keys'}
  end
end

-- Each new key makes room for a few old ones, so that no call removes thousands.
local function record_key()
  redis.call('HSET', idem, 'id', id, 'fingerprint', fingerprint)
  redis.call('HDEL', idem, 'status')
  redis.call('EXPIRE', idem, idem_ttl_s)
  local old = redis.call('ZRANGEBYSCORE', idems, '-inf', stamp(now - idem_ttl_s), 'LIMIT', 0, 20)
  if #old > 0 then redis.call('ZREM', idems, unpack(old)) end
  redis.call('ZADD', idems, stamp(now), key)
  redis.call('EXPIRE', idems, idem_ttl_s)
end

if redis.call('EXISTS', job_key(id)) == 1 then return {'created', id} end
local reply = key ~= '' and reply_by_key()
if reply then return reply end
if redis.call('ZCARD', P .. 'waiting:' .. queue_of(job)) >= tonumber(ARGV[6]) then return {'queue_full'} end
if tonumber(redis.call('HGET', P .. 'active', job.tenant) or 0) >= tonumber(ARGV[7]) then return {'quota_exceeded'} end

redis.call('HSET', job_key(id), 'status', 'queued', 'created_at', stamp(now), 'deadline_at', stamp(job.deadline_at),
  unpack(ARGV, 9))
if key ~= '' then
  redis.call('HSET', job_key(id), 'idem', key)
  record_key()
end
add_step(active_steps, job.tenant, 1)
set_score('jobs:' .. job.tenant, id, now)
if job.followed then append(job, 'queued') end
enter_queue(job)
return {'created', id}
