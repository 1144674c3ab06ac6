-- Shared by every script of the job store: the clock, the names of keys, and the moves that several scripts make.
-- Key names and their meaning: contracts/job_store.py. Times are Redis's own, so clients' clocks never matter.
-- MESSAGE, the Celery message with @ID@, @QUEUE@ and @TAG@ for its blanks, is put before this file (contracts/celery_app.py).
local P = 'triptych:'
local time = redis.call('TIME')
local now = tonumber(time[1]) + tonumber(time[2]) / 1e6
local TOMBSTONE_S = 604800
local TERMINAL = {succeeded = true, failed = true, cancelled = true, expired = true}

local function stamp(seconds) return string.format('%.6f', seconds) end
local function job_key(id) return P .. 'job:' .. id end
local function get(id, field) return redis.call('HGET', job_key(id), field) end
local function number(id, field) return tonumber(get(id, field)) end

local function queue_of(id)
  local queue = 'triptych.' .. get(id, 'model')
  if get(id, 'suspect') == '1' then queue = queue .. '.suspect' end
  return queue
end

-- Every change goes through here: readers see a new version, event readers an entry, waiters a wake-up.
local function tell(id, event, ...)
  redis.call('HINCRBY', job_key(id), 'version', 1)
  redis.call('XADD', P .. 'events:' .. id, 'MAXLEN', '~', 1024, '*', 'event', event, 'attempt', get(id, 'attempt'), ...)
  redis.call('PUBLISH', P .. 'wake', id)
end

local function look_again(id, after_s)
  redis.call('ZADD', P .. 'due', stamp(math.min(now + after_s, number(id, 'deadline_at'))), id)
end

local function leave_queue(id)
  redis.call('ZREM', P .. 'waiting:' .. queue_of(id), id)
end

-- The wake-up for a worker, in the same step as the change it tells of. It may still get lost on its way (reap.lua).
local function push_message(id)
  local tag = id .. '.' .. get(id, 'version') .. '.' .. get(id, 'looks')
  local queue = queue_of(id)
  redis.call('LPUSH', queue, (MESSAGE:gsub('@ID@', id):gsub('@TAG@', tag):gsub('@QUEUE@', queue)))
end

local function enter_queue(id, republish_after_s)
  redis.call('HSET', job_key(id), 'status', 'queued', 'queued_at', stamp(now), 'looks', 0)
  redis.call('ZADD', P .. 'waiting:' .. queue_of(id), stamp(now), id)
  look_again(id, republish_after_s)
  tell(id, 'queued')
  push_message(id)
end

local function count_active(tenant, step)
  if redis.call('HINCRBY', P .. 'active', tenant, step) <= 0 then redis.call('HDEL', P .. 'active', tenant) end
end

-- The one way into a terminal state. The request is dropped: nobody will run it again.
local function finish(id, status, ...)
  local ttl_s = number(id, 'ttl_s')
  local tenant = get(id, 'tenant')
  leave_queue(id)
  redis.call('ZREM', P .. 'due', id)
  redis.call('HSET', job_key(id), 'status', status, 'completed_at', stamp(now), 'expires_at', stamp(now + ttl_s), ...)
  redis.call('HDEL', job_key(id), 'request')
  tell(id, status)
  redis.call('PEXPIRE', job_key(id), math.ceil(ttl_s * 1000))
  redis.call('PEXPIRE', P .. 'events:' .. id, math.ceil(ttl_s * 1000))
  redis.call('SET', P .. 'tombstone:' .. id, tenant, 'EX', math.ceil(ttl_s) + TOMBSTONE_S)
  count_active(tenant, -1)
  redis.call('HINCRBY', P .. 'finished', get(id, 'model') .. '|' .. status, 1)
end

local function owns(id, attempt)
  local status = get(id, 'status')
  return (status == 'running' or status == 'cancelling') and get(id, 'attempt') == attempt, status
end
