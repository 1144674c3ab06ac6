-- Accept a job, or say why not. If the call is sent again with the same id, nothing changes and the reply is the same.
-- ARGV: id, idempotency key (hashed; '' for none), fingerprint, idempotency ttl s, most idempotency keys of a tenant,
--       max waiting, limits (contracts/store/tenants/limits.py), deadline s,
--       work-seconds a second of its lane, of all workers and of one (0: not known),
--       of late, the part of its lane that was used, and the weights of whom (0: not known),
--       then field, value, … of the record, without fields that are empty
-- Returns one of
-- * {'created', id, used, position, work ahead s, running s}: the job and its place, without it if the call was sent again
-- * {'replayed', id, used}: the job of an earlier request
-- * {why not, when, used}: 'mismatch', 'too_many_keys', 'exceeded', 'queue_full', 'too_many_jobs', 'too_many_bytes',
--   'late', 'unreachable' or 'rate_limited' (contracts/store/queues/admission.py), and in how many seconds it would fit, ''
--   if that is not known
-- `used` is how much is used now of each meter.
-- Idempotency comes before the limits: a request that was accepted before is answered with its job, however full the
-- queue is now. Nothing is written before all checks have passed.
local id, key, fingerprint, idem_ttl_s = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4])
local job = {id = id, attempt = 0}
for i = 14, #ARGV, 2 do job[ARGV[i]] = ARGV[i + 1] end
job.deadline_at = now + tonumber(ARGV[8])
job.lane, job.price_s, job.weight = job.lane or 'default', tonumber(job.price_s), tonumber(job.weight or 1)
job.least_s, job.timeout_s = tonumber(job.least_s or 0), tonumber(job.timeout_s)
job.extra_bytes = tonumber(job.extra_bytes or 0)
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

-- Return the reply if as many jobs wait for the model as may. There is room again once one is started.
local function reply_by_number()
  local num, work_s, capacity = 0, 0, tonumber(ARGV[10])
  for _, name in ipairs(LANES) do
    local lane = lane_named(queue_of(job), name)
    num, work_s = num + figure(lane, 'num'), work_s + figure(lane, 'work')
  end
  if num < tonumber(ARGV[6]) then return nil end
  return {'queue_full', num > 0 and capacity > 0 and stamp(work_s / num / capacity) or ''}
end

-- Return why the job is not in time, or nil.
local function reply_by_time(entry)
  local rates = {of_lane = tonumber(ARGV[9]), of_all = tonumber(ARGV[10]), of_one = tonumber(ARGV[11])}
  local late = lateness(job, entry, tonumber(ARGV[8]), rates)
  if late == 'unreachable' then return {'unreachable'} end
  return late and {'late', stamp(late)}
end

-- Meters come last, so that a request that is refused for another reason costs nothing.
local function refusal(bytes, entry)
  if limits.only_replays then return {'exceeded'} end
  local reply = reply_by_number()
  if reply then return reply end
  local reached = quota_reached(limits, job.tenant, bytes)
  if reached then return {reached} end
  reply = reply_by_time(entry)
  if reply then return reply end
  if not all_have_room(meters) then return {'rate_limited'} end
end

local function accept(bytes, entry)
  if entry.soonest then set_figure(entry.lane, 'soonest', entry.soonest) end
  enter_queue(job)
  if job.mark_s > 0 then ARGV[#ARGV + 1], ARGV[#ARGV + 2] = 'mark_s', stamp(job.mark_s) end
  redis.call('HSET', job_key(id), 'status', 'queued', 'created_at', stamp(now), 'deadline_at', stamp(job.deadline_at),
    'held', hold(job, bytes), unpack(ARGV, 14))
  if key ~= '' then
    redis.call('HSET', job_key(id), 'idem', key)
    record_key()
  end
  charge(meters)
  add_step(active_steps, job.tenant, 1)
  set_score('jobs:' .. job.tenant, id, now)
  if job.followed then append(job, 'queued') end
end

-- Counts of an idle queue that are wrong would refuse every job, and so stay.
local function is_by_counts(reply) return reply and (reply[1] == 'queue_full' or reply[1] == 'late') end

local function decide(bytes)
  local entry = entry_of(job, tonumber(ARGV[9]), tonumber(ARGV[12]), tonumber(ARGV[13]))
  return refusal(bytes, entry), entry
end

local reply, position, work_ahead_s, running_s
if redis.call('EXISTS', job_key(id)) == 0 then
  reply = key ~= '' and reply_by_key() or nil
  if not reply then
    local bytes = RECORD_BYTES + #job.request + job.extra_bytes
    local entry
    reply, entry = decide(bytes)
    if is_by_counts(reply) and heal_queue(queue_of(job)) then reply, entry = decide(bytes) end
    if not reply then
      position, work_ahead_s, running_s = place_of(job, entry)
      accept(bytes, entry)
    end
  end
end
reply = reply or {'created', id}
reply[2], reply[3] = reply[2] or '', used_of(meters)
if position then
  reply[4], reply[5], reply[6] = position, stamp(work_ahead_s), stamp(running_s)
end
return reply
