-- Accept jobs, or say why not, one after another: each finds the queue as those before it have left it. If the call is sent
-- again with the same ids, nothing changes and the replies are the same.
-- ARGV: for each job, how many arguments it has, and these:
--   id, idempotency key (hashed; '' for none), fingerprint, idempotency ttl s, most idempotency keys of a tenant,
--   max waiting, max active, max bytes, '1' if only the job of an earlier request may be the answer (else ''),
--   meters (contracts/store/tenants/limits.py; '' for none), deadline s,
--   work-seconds a second of its lane, of all workers and of one (0: not known),
--   of late, the part of its lane that was used, and the weights of whom (0: not known),
--   then field, value, … of the record, without fields that are empty
-- Returns for each job an error, or one of
-- * {'created', id, used, position, work ahead s, running s}: the job and its place, without it if the call was sent again
-- * {'replayed', id, used}: the job of an earlier request
-- * {why not, when, used}: 'mismatch', 'too_many_keys', 'exceeded', 'queue_full', 'too_many_jobs', 'too_many_bytes',
--   'late', 'unreachable' or 'rate_limited' (contracts/store/queues/admission.py), and in how many seconds it would fit, ''
--   if that is not known
-- `used` is how much is used now of each meter.
-- Idempotency comes before the limits: a request that was accepted before is answered with its job, however full the
-- queue is now. Nothing is written before all checks have passed.
local NUM_TERMS = 16 -- arguments of a job before the fields of its record

-- Return a request to submit a job: the job, what is asked of it, and where the fields of its record stand.
local function request_at(first, last)
  local id, key, fingerprint, idem_ttl_s, max_keys, max_waiting, max_active, max_bytes, only_replays, meters, deadline_s,
    of_lane, of_all, of_one, used, weights = unpack(ARGV, first, first + NUM_TERMS - 1)
  local job = {id = id, attempt = 0}
  for i = first + NUM_TERMS, last, 2 do job[ARGV[i]] = ARGV[i + 1] end
  deadline_s = tonumber(deadline_s)
  job.deadline_at = now + deadline_s
  job.lane, job.price_s, job.weight = job.lane or 'default', tonumber(job.price_s), tonumber(job.weight or 1)
  job.least_s, job.timeout_s = tonumber(job.least_s or 0), tonumber(job.timeout_s)
  job.extra_bytes = tonumber(job.extra_bytes or 0)
  return {job = job, first = first + NUM_TERMS, last = last, key = key, fingerprint = fingerprint,
    idem_ttl_s = tonumber(idem_ttl_s), max_keys = tonumber(max_keys), max_waiting = tonumber(max_waiting),
    max_active = tonumber(max_active), max_bytes = tonumber(max_bytes), only_replays = only_replays ~= '',
    bytes = RECORD_BYTES + #job.request + job.extra_bytes, meters = meters_of(meters), deadline_s = deadline_s,
    rates = {of_lane = tonumber(of_lane), of_all = tonumber(of_all), of_one = tonumber(of_one)},
    usual = {used = tonumber(used), weights = tonumber(weights)}}
end

-- Return the reply if an earlier request had this key, or the tenant has too many of them.
local function reply_by_key(request)
  local tenant = request.job.tenant
  local earlier, known = unpack(redis.call('HMGET', P .. 'idem:' .. tenant .. ':' .. request.key, 'id', 'fingerprint'))
  if known and known ~= request.fingerprint then return {'mismatch'} end
  -- A job that is purged can't answer, so the same request runs anew.
  if earlier and redis.call('EXISTS', job_key(earlier)) == 1 then return {'replayed', earlier} end
  local least = stamp(now - request.idem_ttl_s)
  if not known and redis.call('ZCOUNT', P .. 'idems:' .. tenant, least, '+inf') >= request.max_keys then
    return {'too_many_keys'}
  end
end

-- Each new key makes room for a few old ones, so that no call removes thousands.
local function record_key(request)
  local tenant, ttl_s = request.job.tenant, request.idem_ttl_s
  local idem, idems = P .. 'idem:' .. tenant .. ':' .. request.key, P .. 'idems:' .. tenant
  redis.call('HSET', idem, 'id', request.job.id, 'fingerprint', request.fingerprint)
  redis.call('HDEL', idem, 'status')
  redis.call('EXPIRE', idem, ttl_s)
  local old = redis.call('ZRANGEBYSCORE', idems, '-inf', stamp(now - ttl_s), 'LIMIT', 0, 20)
  if #old > 0 then redis.call('ZREM', idems, unpack(old)) end
  redis.call('ZADD', idems, stamp(now), request.key)
  redis.call('EXPIRE', idems, ttl_s)
end

-- Return the reply if as many jobs wait for the model as may. There is room again once one is started.
local function reply_by_number(request)
  local num, work_s, capacity = 0, 0, request.rates.of_all
  for _, name in ipairs(LANES) do
    local lane = lane_named(queue_of(request.job), name)
    num, work_s = num + figure(lane, 'num'), work_s + figure(lane, 'work')
  end
  if num < request.max_waiting then return nil end
  return {'queue_full', num > 0 and capacity > 0 and stamp(work_s / num / capacity) or ''}
end

-- Return why the job is not in time, or nil.
local function reply_by_time(request, entry)
  local late = lateness(request.job, entry, request.deadline_s, request.rates)
  if late == 'unreachable' then return {'unreachable'} end
  return late and {'late', stamp(late)}
end

-- Meters come last, so that a request that is refused for another reason costs nothing.
local function refusal(request, entry)
  if request.only_replays then return {'exceeded'} end
  local reply = reply_by_number(request)
  if reply then return reply end
  local reached = quota_reached(request, request.job.tenant, request.bytes)
  if reached then return {reached} end
  reply = reply_by_time(request, entry)
  if reply then return reply end
  if not all_have_room(request.meters) then return {'rate_limited'} end
end

local function accept(request, entry)
  local job = request.job
  if entry.soonest then set_figure(entry.lane, 'soonest', entry.soonest) end
  enter_queue(job)
  local fields = {'status', 'queued', 'created_at', stamp(now), 'deadline_at', stamp(job.deadline_at),
    'held', hold(job, request.bytes)}
  if job.mark_s > 0 then fields[9], fields[10] = 'mark_s', stamp(job.mark_s) end
  if request.key ~= '' then fields[#fields + 1], fields[#fields + 2] = 'idem', request.key end
  local num = #fields - request.first + 1
  for i = request.first, request.last do fields[num + i] = ARGV[i] end
  redis.call('HSET', job_key(job.id), unpack(fields))
  if request.key ~= '' then record_key(request) end
  charge(request.meters)
  add_step(active_steps, job.tenant, 1)
  set_score('jobs:' .. job.tenant, job.id, now)
  if job.followed then append(job, 'queued') end
end

-- Counts of an idle queue that are wrong would refuse every job, and so stay.
local function is_by_counts(reply) return reply and (reply[1] == 'queue_full' or reply[1] == 'late') end

local function decide(request)
  local entry = entry_of(request.job, request.rates.of_lane, request.usual.used, request.usual.weights)
  return refusal(request, entry), entry
end

local function reply_to(request)
  local job = request.job
  if redis.call('EXISTS', job_key(job.id)) == 1 then return {'created', job.id} end
  local reply = request.key ~= '' and reply_by_key(request) or nil
  if reply then return reply end
  local entry
  reply, entry = decide(request)
  if is_by_counts(reply) and heal_queue(queue_of(job)) then reply, entry = decide(request) end
  if reply then return reply end
  local position, work_ahead_s, running_s = place_of(job, entry)
  accept(request, entry)
  return {'created', job.id, '', position, stamp(work_ahead_s), stamp(running_s)}
end

local function submit(first, last)
  local request = request_at(first, last)
  local reply = reply_to(request)
  reply[2], reply[3] = reply[2] or '', used_of(request.meters)
  return reply
end

-- What is stored for one job, and is not as it should be, is no reason to fail the others.
local function submit_protected(first, last)
  local done, reply = pcall(submit, first, last)
  if done or type(reply) == 'table' then return reply end
  return redis.error_reply(tostring(reply))
end

local began, replies, place = now, {}, 1
while place <= #ARGV do
  local last = place + tonumber(ARGV[place])
  replies[#replies + 1] = submit_protected(place + 1, last)
  place = last + 1
  now = began + #replies * 1e-6 -- jobs of one flow wait in the order of their times
end
return replies
