-- Shared by every script of the job store: the clock, the names of keys, and the transitions that several scripts make.
-- Key names and their meaning: contracts/store/keys.py. Times are Redis's own, so the clocks of clients don't matter.
-- MESSAGE, the Celery message with placeholders @ID@, @QUEUE@ and @TAG@ (contracts/store/message.py), is defined above.
local P = 'triptych:'
local time = redis.call('TIME')
local now = tonumber(time[1]) + tonumber(time[2]) / 1e6
-- For 7 days after a job is purged, its id answers 410 (gone) and not 404.
local TOMBSTONE_S = 604800
-- More than a streamed text has tokens, so a client that reconnects can continue after its last event.
local MAX_EVENTS = 65536
local TERMINAL = {succeeded = true, failed = true, cancelled = true, expired = true}
-- The jobs that this call has ended. Each script replies with them (contracts/store/scripts.py), so that whoever ended a
-- job writes the one line about it.
local ended = {}

-- Lua itself writes numbers with 14 digits, which cuts a Unix time to 0.1 ms.
local function stamp(seconds) return string.format('%.6f', seconds) end
local function job_key(id) return P .. 'job:' .. id end
local function get(id, field) return redis.call('HGET', job_key(id), field) end
local function number(id, field) return tonumber(get(id, field)) end

local function queue_of(id)
  local queue = 'triptych.' .. get(id, 'model')
  if get(id, 'suspect') == '1' then queue = queue .. '.suspect' end
  return queue
end

-- Every change of a record is announced here: a new version for ETags, an event for streams, a wake-up for gateways.
-- With '~' Redis drops only whole blocks of old events, which costs less than an exact length.
local function emit(id, event, ...)
  redis.call('HINCRBY', job_key(id), 'version', 1)
  redis.call('XADD', P .. 'events:' .. id, 'MAXLEN', '~', MAX_EVENTS, '*', 'event', event, 'attempt', get(id, 'attempt'), ...)
  redis.call('PUBLISH', P .. 'wake', id)
end

-- When the reaper must check this job: at the end of its lease or its pause, at the latest at its deadline.
local function schedule_check(id, after_s)
  redis.call('ZADD', P .. 'due', stamp(math.min(now + after_s, number(id, 'deadline_at'))), id)
end

-- A message stays in its queue when its job is cancelled, expires, or is claimed without it. Without workers nobody
-- would take such messages out, and clients that submit and cancel would fill the memory. So each job that leaves a
-- queue removes messages that are surely stale: all, if no job waits; else up to two of the oldest, to bound the work.
local function drop_stale_messages(queue)
  if redis.call('ZCARD', P .. 'waiting:' .. queue) == 0 then return redis.call('DEL', queue) end
  for _ = 1, 2 do
    local id = (redis.call('LINDEX', queue, -1) or ''):match('%[%[\\"([%w_-]+)\\"')
    if not id or get(id, 'status') == 'queued' then return end
    redis.call('RPOP', queue)
  end
end

local function leave_queue(id)
  local queue = queue_of(id)
  if redis.call('ZREM', P .. 'waiting:' .. queue, id) == 1 then drop_stale_messages(queue) end
end

-- Record that messages pushed before this time are no longer in the queue. The reaper then knows which are lost.
local function raise_watermark(queue, seconds)
  local key = P .. 'watermark:' .. queue
  if seconds > tonumber(redis.call('GET', key) or 0) then redis.call('SET', key, stamp(seconds), 'EX', TOMBSTONE_S) end
end

-- A suspect no longer runs on its worker. If the worker dies from now on, its other jobs can be blamed again (reap.lua,
-- abandon.lua).
local function leave_worker(id)
  local alone = P .. 'alone:' .. get(id, 'worker')
  if redis.call('GET', alone) == id then redis.call('DEL', alone) end
end

-- Push the wake-up for a worker, in the same script as the change. It may still be lost later: Celery's BRPOP removes a
-- message before anybody has recorded it (reap.lua replaces lost messages).
local function push_message(id)
  -- kombu keeps the messages of a worker by their tag, so each push of the same job needs another one.
  local tag = id .. '.' .. get(id, 'version') .. '.' .. get(id, 'looks')
  local queue = queue_of(id)
  redis.call('HSET', job_key(id), 'pushed_at', stamp(now))
  redis.call('LPUSH', queue, (MESSAGE:gsub('@(%u+)@', {ID = id, TAG = tag, QUEUE = queue})))
end

local function enter_queue(id, republish_after_s)
  redis.call('HSET', job_key(id), 'status', 'queued', 'queued_at', stamp(now), 'looks', 0)
  redis.call('ZADD', P .. 'waiting:' .. queue_of(id), stamp(now), id)
  schedule_check(id, republish_after_s)
  emit(id, 'queued')
  push_message(id)
end

local function count_active(tenant, step)
  if redis.call('HINCRBY', P .. 'active', tenant, step) <= 0 then redis.call('HDEL', P .. 'active', tenant) end
end

-- Add a job to the reply of this call, as contracts/store/job_ends.py reads it.
local function report_end(id)
  ended[#ended + 1] = {id, unpack(redis.call('HMGET', job_key(id), 'status', 'task', 'model', 'tenant', 'request_id',
    'worker', 'error_code', 'attempt', 'crashes', 'timings', 'created_at', 'queued_at', 'started_at', 'completed_at'))}
end

-- The one way into a terminal state. The request is dropped, because nobody will run it again.
local function finish(id, status, ...)
  local ttl_s = number(id, 'ttl_s')
  local tenant = get(id, 'tenant')
  redis.call('ZREM', P .. 'due', id)
  redis.call('HSET', job_key(id), 'status', status, 'completed_at', stamp(now), 'expires_at', stamp(now + ttl_s), ...)
  if status == 'succeeded' then redis.call('HSET', job_key(id), 'progress_done', get(id, 'progress_total')) end
  redis.call('HDEL', job_key(id), 'request')
  leave_queue(id)
  emit(id, status)
  redis.call('PEXPIRE', job_key(id), math.ceil(ttl_s * 1000))
  redis.call('PEXPIRE', P .. 'events:' .. id, math.ceil(ttl_s * 1000))
  redis.call('SET', P .. 'tombstone:' .. id, tenant, 'EX', math.ceil(ttl_s) + TOMBSTONE_S)
  redis.call('ZADD', P .. 'expiring', stamp(now + ttl_s), id .. '|' .. tenant)
  count_active(tenant, -1)
  redis.call('HINCRBY', P .. 'finished', get(id, 'model') .. '|' .. status, 1)
  report_end(id)
end

-- A queued job starts to run. The token distinguishes a call that is sent again from a new one.
local function start_attempt(id, worker, lease_s, token)
  leave_queue(id)
  redis.call('HSET', job_key(id), 'status', 'running', 'worker', worker, 'token', token, 'started_at', stamp(now),
    'progress_done', 0)
  redis.call('HINCRBY', job_key(id), 'attempt', 1)
  schedule_check(id, tonumber(lease_s))
  -- If the worker dies while a suspect runs, its other jobs are not blamed, unless a model call
  -- worked on them (reap.lua, abandon.lua).
  -- This key must outlive the suspect's lease, because the reaper may check the other jobs later.
  if get(id, 'suspect') == '1' then
    redis.call('SET', P .. 'alone:' .. worker, id, 'EX', math.ceil(number(id, 'deadline_at') - now) + 3600)
  end
  emit(id, 'started')
end

-- The worker of this job has died, and the job may be why: run it again as a suspect, or fail it for good.
local function count_crash(id, max_crashes, republish_after_s)
  if redis.call('HINCRBY', job_key(id), 'crashes', 1) >= max_crashes then
    return finish(id, 'failed', 'error_code', 'worker_lost')
  end
  redis.call('HSET', job_key(id), 'suspect', 1)
  enter_queue(id, republish_after_s)
end

-- What the worker gets to run the attempt that it has started.
local function attempt_of(id)
  local fields = redis.call('HMGET', job_key(id), 'attempt', 'task', 'model', 'request', 'timeout_s', 'suspect',
    'request_id')
  fields[1] = tonumber(fields[1])
  fields[8] = id
  return fields
end

-- How much memory a worker needs for a job, as an estimate by the size of its request.
local function memory_of(id, per_request_byte, per_input)
  return redis.call('HSTRLEN', job_key(id), 'request') * tonumber(per_request_byte)
    + number(id, 'progress_total') * tonumber(per_input)
end

-- Fencing: an attempt owns its job while the job is unfinished and no later attempt was started.
local function owns(id, attempt)
  local status = get(id, 'status')
  return (status == 'running' or status == 'cancelling') and get(id, 'attempt') == attempt, status
end
