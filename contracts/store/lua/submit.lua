-- Accept a job, or say why not. If the call is sent again with the same id, nothing changes and the reply is the same.
-- ARGV: id, idempotency key (hashed; '' for none), fingerprint, idempotency ttl s, most idempotency keys of a tenant,
--       max waiting, limits (contracts/store/limits.py), deadline s, then field, value, … of the record, without fields
--       that are empty
-- Returns {'created'|'replayed', id, used} or
-- {'mismatch'|'too_many_keys'|'queue_full'|'too_many_jobs'|'too_many_bytes'|'rate_limited', '', used},
-- where `used` says of each meter how much is used now. For a job that this call has created, its place follows:
-- position, work ahead s, running s.
-- Idempotency comes before the limits: a request that was accepted before is answered with its job, however full the
-- queue is now. Nothing is written before all checks have passed.
local id, key, fingerprint, idem_ttl_s = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4])
local job = {id = id, attempt = 0}
for i = 9, #ARGV, 2 do job[ARGV[i]] = ARGV[i + 1] end
job.deadline_at = now + tonumber(ARGV[8])
job.lane, job.price_s, job.weight = job.lane or 'default', tonumber(job.price_s), tonumber(job.weight or 1)
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

local limits = cjson.decode(ARGV[7])
local meters = meters_of(limits)

local function num_waiting(figures)
  local num = 0
  for _, name in ipairs(LANES) do num = num + figures['num:' .. name] end
  return num
end

-- Meters come last, so that a request that is refused for another reason costs nothing.
local function refusal(bytes)
  local reply = key ~= '' and reply_by_key()
  if reply then return reply end
  if num_waiting(lane_of(job).state.figures) >= tonumber(ARGV[6]) then return {'queue_full'} end
  local reached = quota_reached(limits, job.tenant, bytes)
  if reached then return {reached} end
  if not all_have_room(meters) then return {'rate_limited'} end
end

local function accept(bytes)
  redis.call('HSET', job_key(id), 'status', 'queued', 'created_at', stamp(now), 'deadline_at', stamp(job.deadline_at),
    'held', hold(job, bytes), unpack(ARGV, 9))
  if key ~= '' then
    redis.call('HSET', job_key(id), 'idem', key)
    record_key()
  end
  charge(meters)
  add_step(active_steps, job.tenant, 1)
  set_score('jobs:' .. job.tenant, id, now)
  if job.followed then append(job, 'queued') end
  enter_queue(job)
  if job.mark_s > 0 then redis.call('HSET', job_key(id), 'mark_s', stamp(job.mark_s)) end
end

-- Return what will probably be started before a job that enters its flow now (contracts/store/places.py).
local function place_of(lane)
  local flow = flow_of(lane, job.tenant)
  local others_s = math.max(0, figure(lane, 'work') - flow.backlog)
  local others_weight = math.max(0, figure(lane, 'weights') - flow.weight)
  local num_others = math.max(0, figure(lane, 'num') - flow.num)
  local meanwhile_s = math.min(others_s, (flow.backlog + job.price_s) * others_weight / job.weight)
  local part = others_s > 0 and meanwhile_s / others_s or 1
  return flow.num + math.floor(num_others * part + 0.5), flow.backlog + meanwhile_s
end

local reply, position, work_ahead_s
if redis.call('EXISTS', job_key(id)) == 0 then
  local bytes = RECORD_BYTES + #job.request
  reply = refusal(bytes)
  if not reply then
    position, work_ahead_s = place_of(lane_of(job))
    accept(bytes)
  end
end
reply = reply or {'created', id}
reply[2], reply[3] = reply[2] or '', used_of(meters)
if position then
  reply[4], reply[5], reply[6] = position, stamp(work_ahead_s), stamp(lane_of(job).state.figures.running)
end
return reply
