-- Accept a job, or say why not. If the call is sent again with the same id, nothing changes and the reply is the same.
-- ARGV: id, idempotency key (hashed; '' for none), fingerprint, idempotency ttl s, max waiting, max active,
--       republish after s, deadline s, then field, value, … of the record
-- Returns {'created'|'replayed', id}, or {'mismatch'|'queue_full'|'quota_exceeded'}.
-- Idempotency comes before the limits: a request that was accepted before is answered with its job, however full the
-- queue is now. Nothing is written before all checks have passed.
local id, key, fingerprint = ARGV[1], ARGV[2], ARGV[3]
local record = {}
for i = 9, #ARGV, 2 do record[ARGV[i]] = ARGV[i + 1] end

if redis.call('EXISTS', job_key(id)) == 1 then return {'created', id} end
local idem = P .. 'idem:' .. record.tenant .. ':' .. key
if key ~= '' then
  local seen = redis.call('HMGET', idem, 'id', 'fingerprint')
  if seen[1] then
    if seen[2] == fingerprint then return {'replayed', seen[1]} end
    return {'mismatch'}
  end
end
local waiting = P .. 'waiting:triptych.' .. record.model
if redis.call('ZCARD', waiting) >= tonumber(ARGV[5]) then return {'queue_full'} end
if tonumber(redis.call('HGET', P .. 'active', record.tenant) or 0) >= tonumber(ARGV[6]) then return {'quota_exceeded'} end

redis.call('HSET', job_key(id), 'version', 0, 'attempt', 0, 'crashes', 0, 'suspect', 0, 'created_at', stamp(now),
  'deadline_at', stamp(now + tonumber(ARGV[8])), unpack(ARGV, 9))
count_active(record.tenant, 1)
if key ~= '' then
  redis.call('HSET', idem, 'id', id, 'fingerprint', fingerprint)
  redis.call('EXPIRE', idem, ARGV[4])
end
redis.call('ZADD', P .. 'jobs:' .. record.tenant, stamp(now), id)
enter_queue(id, tonumber(ARGV[7]))
return {'created', id}
