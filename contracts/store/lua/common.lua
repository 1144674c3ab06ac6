-- Shared by every script of the job store: the clock, the names of keys, and the transitions that several scripts make.
-- Key names and their meaning: contracts/store/keys.py. Times are the store's own, corrected for steps of its clock
-- (clock.lua), so the clocks of clients don't matter.
-- MESSAGE, the Celery message with placeholders @QUEUE@ and @TAG@ (contracts/store/message.py), is defined above.
local P = 'triptych:'
local time = redis.call('TIME')
local offset, reaped_at = unpack(redis.call('MGET', P .. 'clock', P .. 'reaped_at'))
local clock = tonumber(time[1]) + tonumber(time[2]) / 1e6 + tonumber(offset or 0)
-- If the store's clock was set back, time stands still until a reaper has corrected it.
local now = math.max(clock, tonumber(reaped_at or 0))
-- More than a streamed text has tokens, so a client that reconnects can continue after its last event.
local MAX_EVENTS = 65536
local TERMINAL = {succeeded = true, failed = true, cancelled = true, expired = true}
local ACTIVE = {queued = true, running = true, cancelling = true}
-- Jobs that may share the first model call in which they run as suspects. A poison job is found by halving: after 8, 4, 2
-- and 1 jobs.
local MAX_GROUP = 8

-- What this call has changed, written at its end (flush): once a channel, a tenant and a model, however many jobs changed.
local ended, set_aside_now, wake_ups, active_steps, finished_steps = {}, {}, {}, {}, {}

-- Lua itself writes numbers with 14 digits, which cuts a Unix time to 0.1 ms.
local function stamp(seconds) return string.format('%.6f', seconds) end
local function job_key(id) return P .. 'job:' .. id end

local FIELDS = {'status', 'tenant', 'task', 'model', 'attempt', 'version', 'crashes', 'deadline_at', 'ttl_s', 'created_at',
  'queued_at', 'started_at', 'progress_total', 'group', 'alone', 'worker', 'token', 'ended_by', 'wake', 'followed', 'idem',
  'request_id', 'publish_token', 'keep', 'timeout_s'}
-- Numbers that every record has, and those that come with time. `true`: whole ones, because they are counted.
local NUMBERS = {attempt = true, version = true, crashes = true, progress_total = true, deadline_at = false, ttl_s = false,
  timeout_s = false}
local LATER_NUMBERS = {alone = true, created_at = false, queued_at = false, started_at = false}
local NAMES = {'tenant', 'task', 'model'}
local LATER_NAMES = {'group', 'worker', 'token', 'ended_by', 'wake', 'idem', 'request_id', 'publish_token'}

local function add_step(steps, key, step) steps[key] = (steps[key] or 0) + step end

-- Callers decode names, and use them in the names of keys.
local function is_name(text) return not text:find('[^ -~]') end

-- No count is larger, and no time: it is in the year 5138. NaN is neither less nor more than any number.
local function is_number(value, whole) return value and value >= 0 and value <= 1e11 and not (whole and value % 1 > 0) end

-- Note the name of what can't be used. The caller's log gets it once.
local function note_broken(name, fault)
  if redis.call('ZADD', P .. 'broken', 'NX', stamp(now), name) == 1 then
    set_aside_now[#set_aside_now + 1] = {name, fault}
  end
end

-- What is wrong with one record must not stop the script for all others. It leaves every list, so that nobody looks at it
-- again, and stays where an operator can look at it.
local function set_aside(id, fault, tenant)
  local unfinished = redis.call('ZREM', P .. 'due', id) == 1
  redis.call('ZREM', P .. 'expiring', id)
  redis.call('ZREM', P .. 'delivered', id)
  if unfinished and tenant and is_name(tenant) then add_step(active_steps, tenant, -1) end
  note_broken(id, fault)
end

-- Whether something else is stored in a key. All other errors are no fault of the key: a replica, missing rights, a full
-- disk.
local function is_of_wrong_type(reply)
  if type(reply) ~= 'table' or not reply.err then return false end
  return reply.err:sub(1, 9) == 'WRONGTYPE' or error(reply, 0)
end

-- Call a command on a key of one job, tenant or queue. If something else is stored there, only what the key was for is
-- lost: the reply is nil.
local function call_on(command, key, ...)
  local reply = redis.pcall(command, key, ...)
  if is_of_wrong_type(reply) then return note_broken(key, 'type') end
  return reply
end

-- Turn texts into numbers. Returns the first field that can't be used, or nil.
local function fault_of(job)
  if not (TERMINAL[job.status] or ACTIVE[job.status]) then return 'status' end
  for name, whole in pairs(NUMBERS) do
    job[name] = tonumber(job[name] or '')
    if not is_number(job[name], whole) then return name end
  end
  for name, whole in pairs(LATER_NUMBERS) do
    if job[name] then
      job[name] = tonumber(job[name])
      if not is_number(job[name], whole) then return name end
    end
  end
  for _, name in ipairs(NAMES) do
    if not job[name] or not is_name(job[name]) then return name end
  end
  for _, name in ipairs(LATER_NAMES) do
    if job[name] and not is_name(job[name]) then return name end
  end
end

-- Return a job's record without its large fields, or nil if there is none that can be used. Changes go through save().
local function load(id)
  local values = redis.pcall('HMGET', job_key(id), unpack(FIELDS))
  if is_of_wrong_type(values) then return set_aside(id, 'type') end
  local job, exists = {id = id}, false
  for i, name in ipairs(FIELDS) do
    job[name] = values[i] ~= '' and values[i] or nil
    exists = exists or values[i]
  end
  if not exists then return nil end
  local fault = fault_of(job)
  if fault then return set_aside(id, fault, job.tenant) end
  return job
end

local function queue_of(job) return 'triptych.' .. job.model .. (job.group and '.suspect' or '') end

-- Append an event to the stream of a job that somebody follows or has followed.
local function append(job, event, ...)
  call_on('XADD', P .. 'events:' .. job.id, 'MAXLEN', '~', MAX_EVENTS, '*', 'event', event, 'attempt', job.attempt, ...)
end

-- Tell the gateways that wait for a job what its state is now, so that they read its record only when they need it.
local function wake(job)
  for channel in (job.wake or ''):gmatch('%S+') do
    local changes = wake_ups[channel] or {}
    changes[#changes + 1] = job.id .. ':' .. job.status
    wake_ups[channel] = changes
  end
end

-- Every change of a record is written and announced here: a new version for ETags, an event for streams, a wake-up.
local function save(job, event, changes, ...)
  local flat = {'version', job.version + 1}
  for name, value in pairs(changes) do
    flat[#flat + 1], flat[#flat + 2] = name, value
    if type(value) == 'number' and value % 1 ~= 0 then flat[#flat] = stamp(value) end
  end
  redis.call('HSET', job_key(job.id), unpack(flat))
  job.version = job.version + 1
  for name, value in pairs(changes) do job[name] = value ~= '' and value or nil end
  if job.followed then append(job, event, ...) end
  wake(job)
end

-- When the reaper must check this job: at its deadline, and before that at the end of its lease.
local function schedule_check(job, lease_s)
  redis.call('ZADD', P .. 'due', stamp(math.min(lease_s and now + lease_s or job.deadline_at, job.deadline_at)), job.id)
end

-- A message says that a queue has work. There is always one in the list while jobs wait; a worker that takes it claims as
-- many jobs as it has room for, and if more are left that claim pushes the next message. A lost one is replaced by the
-- next submit, or by the reaper. More than one is of an older version, or of somebody else.
local function drop_messages(queue) redis.call('UNLINK', queue) end

local function push_message(queue)
  local num_messages = call_on('LLEN', queue)
  if num_messages == 1 then return 0 end
  if num_messages ~= 0 then drop_messages(queue) end
  -- kombu keeps the messages of a worker by their tags, so each needs another one.
  local tag = redis.call('INCR', P .. 'messages')
  redis.call('LPUSH', queue, (MESSAGE:gsub('@(%u+)@', {TAG = tag, QUEUE = queue})))
  return 1
end

local function enter_queue(job, event)
  local queue, member = queue_of(job), job.id
  if job.group then
    call_on('SADD', P .. 'group:' .. job.group, job.id)
    member = job.group
  end
  call_on('ZADD', P .. 'waiting:' .. queue, 'NX', stamp(now), member)
  redis.call('SADD', P .. 'queues', queue)
  schedule_check(job)
  push_message(queue)
end

-- Take a queued job out of its queue.
local function leave_queue(job)
  local waiting = P .. 'waiting:' .. queue_of(job)
  if not job.group then return call_on('ZREM', waiting, job.id) end
  call_on('SREM', P .. 'group:' .. job.group, job.id)
  if redis.call('EXISTS', P .. 'group:' .. job.group) == 0 then call_on('ZREM', waiting, job.group) end
end

-- A job goes back to its queue, because its worker leaves or has died.
local function return_to_queue(job, changes)
  changes = changes or {}
  changes.status, changes.queued_at = 'queued', now
  save(job, 'queued', changes)
  enter_queue(job)
end

-- The one way into a terminal state. The request is dropped, because nobody will run it again.
local function finish(job, status, changes)
  if job.status == 'queued' then leave_queue(job) end
  changes = changes or {}
  changes.status, changes.completed_at, changes.expires_at = status, now, now + job.ttl_s
  if status == 'succeeded' then changes.progress_done = job.progress_total end
  save(job, status, changes)
  redis.call('HDEL', job_key(job.id), 'request')
  redis.call('ZREM', P .. 'due', job.id)
  redis.call('ZADD', P .. 'expiring', stamp(now + job.ttl_s), job.id)
  if job.idem then call_on('HSET', P .. 'idem:' .. job.tenant .. ':' .. job.idem, 'status', status) end
  add_step(active_steps, job.tenant, -1)
  add_step(finished_steps, job.model .. '|' .. status, 1)
  ended[#ended + 1] = job
end

-- Fencing: an attempt owns its job while the job is unfinished and no later attempt was started. A worker that was cut off
-- and comes back finds its job queued again, and has it as long as nobody else has started it.
local function owns(job, attempt)
  if not job or job.attempt ~= tonumber(attempt) then return false end
  return job.status == 'running' or job.status == 'cancelling' or (job.status == 'queued' and job.attempt > 0)
end

-- Workers died in model calls of these jobs, or while they held them. Let them run again as suspects: those that crashed
-- together in groups of half the size, so that the one at fault is found. One that crashed a worker alone as a suspect
-- fails in the end.
local function blame(jobs, max_crashes)
  local size = math.min(MAX_GROUP, math.ceil(#jobs / 2))
  for i, job in ipairs(jobs) do
    local alone = (job.alone or 0) + ((#jobs == 1 and job.group) and 1 or 0)
    local crashes = {crashes = job.crashes + 1, alone = alone}
    if alone >= max_crashes then
      crashes.error_code = 'worker_lost'
      finish(job, 'failed', crashes)
    else
      local first = jobs[i - (i - 1) % size]
      crashes.group = first.id .. '.' .. first.attempt
      return_to_queue(job, crashes)
    end
  end
end

-- Blame jobs that may belong to several groups: each group has run in calls of its own.
local function blame_each_group(jobs, max_crashes)
  local groups, order = {}, {}
  for _, job in ipairs(jobs) do
    local group = job.group or ''
    if not groups[group] then groups[group], order[#order + 1] = {}, group end
    table.insert(groups[group], job)
  end
  for _, group in ipairs(order) do blame(groups[group], max_crashes) end
end

-- Forget a job that has ended. Large keys are freed by a thread of the store.
local function purge(job)
  call_on('ZREM', P .. 'jobs:' .. job.tenant, job.id)
  redis.call('ZREM', P .. 'expiring', job.id)
  redis.call('ZREM', P .. 'delivered', job.id)
  redis.call('UNLINK', job_key(job.id), P .. 'events:' .. job.id)
end

-- What the log says of the jobs that this call has ended, as contracts/store/job_ends.py reads it.
local function report_ends()
  local reply = {}
  for i, job in ipairs(ended) do
    reply[i] = {job.id, job.status, job.task or '', job.model, job.tenant, job.request_id or '', job.worker or '',
      job.error_code or '', tostring(job.attempt), tostring(job.crashes or 0), job.timings or '', stamp(job.created_at or 0),
      stamp(job.queued_at or 0), job.started_at and stamp(job.started_at) or '', stamp(job.completed_at or 0)}
  end
  return reply
end

-- Write what all changes of this call have in common. Every script ends with it (contracts/store/scripts.py).
local function flush()
  for channel, changes in pairs(wake_ups) do redis.call('PUBLISH', channel, table.concat(changes, ' ')) end
  for tenant, step in pairs(active_steps) do
    if redis.call('HINCRBY', P .. 'active', tenant, step) <= 0 then redis.call('HDEL', P .. 'active', tenant) end
  end
  for key, step in pairs(finished_steps) do redis.call('HINCRBY', P .. 'finished', key, step) end
  return {report_ends(), set_aside_now}
end
