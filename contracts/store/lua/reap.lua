-- Check every job that is due: expire it, take it from a dead worker, or replace its lost message. Then forget ended
-- jobs whose ttl_s is over.
-- ARGV: limit, republish after s, max crashes
-- Returns how many jobs were checked (if it is the limit, call again), taken from dead workers, and given a new
-- message.
local num_checked, num_taken, num_republished = 0, 0, 0
local republish_after_s, max_crashes = tonumber(ARGV[2]), tonumber(ARGV[3])

-- A message is lost, and not just waiting in a long queue, if the queue is empty, or if messages that were pushed later
-- have left it (the watermark). Without this rule a backlog would multiply itself: each pass would add a message for
-- each waiting job. The first job that finds the queue empty raises the watermark for all others, because with its own new
-- message the queue is no longer empty.
local function message_lost(id)
  local queue = queue_of(id)
  if redis.call('LLEN', queue) == 0 then
    raise_watermark(queue, now)
    return true
  end
  return number(id, 'pushed_at') < tonumber(redis.call('GET', P .. 'watermark:' .. queue) or 0)
end

-- The pause between two checks of the same job doubles each time, up to 16 times the first one or 60 s. The record's
-- field 'looks' counts the checks.
local function check_queued(id)
  local looks = redis.call('HINCRBY', job_key(id), 'looks', 1)
  schedule_check(id, math.min(republish_after_s * 2 ^ math.min(looks, 4), 60))
  if message_lost(id) then
    push_message(id)
    num_republished = num_republished + 1
  end
end

-- The lease is over, so the worker is dead or cut off. If a suspect ran on it, only the suspect is blamed.
local function take_back(id)
  num_taken = num_taken + 1
  local alone = redis.call('GET', P .. 'alone:' .. get(id, 'worker'))
  if not alone or alone == id then return count_crash(id, max_crashes, republish_after_s) end
  enter_queue(id, republish_after_s)
end

local function time_has_come(key)
  return redis.call('ZRANGEBYSCORE', P .. key, '-inf', stamp(now), 'LIMIT', 0, tonumber(ARGV[1]))
end

for _, id in ipairs(time_has_come('due')) do
  local status = get(id, 'status')
  num_checked = num_checked + 1
  if not status then redis.call('ZREM', P .. 'due', id)
  -- Its worker would have confirmed the cancellation within the lease, so it is dead: there is nothing to wait for.
  elseif status == 'cancelling' then finish(id, 'cancelled')
  elseif number(id, 'deadline_at') <= now then finish(id, 'expired')
  elseif status == 'queued' then check_queued(id)
  elseif status == 'running' then take_back(id)
  else redis.call('ZREM', P .. 'due', id) end
end

local expired = time_has_come('expiring')
for _, entry in ipairs(expired) do
  local id, tenant = entry:match('^(.-)|(.*)$')
  redis.call('ZREM', P .. 'jobs:' .. tenant, id)
  redis.call('ZREM', P .. 'expiring', entry)
end
num_checked = math.max(num_checked, #expired)
return {num_checked, num_taken, num_republished}
