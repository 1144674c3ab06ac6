-- Check jobs that are due: expire them, or take them from dead workers. Then forget ended jobs whose time is over.
-- ARGV: reaper, limit, max crashes, lease s, the time that the caller knows to be right
-- Returns {more, taken from dead workers, outage s}, where more is 1 if the call stopped at its limit; or 0 if it did
-- nothing, because the clock was set since the caller has looked, or because another reaper has much to do.
local TOLERANCE_S = 2 -- as in store/clock.py
local TURN_S = 0.2 -- a reaper that has much to do, and does not call again for this long, has gone
local reaper, limit, max_crashes, lease_s = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
if math.abs(clock - tonumber(ARGV[5])) > TOLERANCE_S then return 0 end
local busy, busy_at = (redis.call('GET', P .. 'reaper') or ''):match('^(%S+) (%S+)$')
if busy and busy ~= reaper and now - seconds_of(busy_at) < TURN_S then return 0 end

-- If nobody has reaped for as long as a worker takes to renew its leases twice, nobody could renew them either: the store
-- was away. Nobody is blamed until all have had the time to come back.
local gap_s = seconds_of(reaped_at) > 0 and now - seconds_of(reaped_at) or 0
local outage_s = gap_s > math.max(TOLERANCE_S, lease_s / 3) and gap_s or 0
redis.call('SET', P .. 'reaped_at', stamp(now))
if outage_s > 0 then redis.call('SET', P .. 'grace_until', stamp(now + lease_s)) end
local grace_until = seconds_of(redis.call('GET', P .. 'grace_until'))

local function time_has_come(key, most)
  return redis.call('ZRANGEBYSCORE', P .. key, '-inf', stamp(now), 'LIMIT', 0, most)
end

local lost, num_taken = {}, 0
local function check(job)
  if job.deadline_at <= now then finish(job, job.status == 'cancelling' and 'cancelled' or 'expired')
  elseif job.status == 'queued' then -- by an older version, which looked at queued jobs again and again
    schedule_check(job)
    redis.call('SADD', P .. 'queues', queue_of(job))
  elseif grace_until > now then set_score('due', job.id, math.min(grace_until, job.deadline_at))
  -- Its worker would have confirmed the cancellation within the lease, so it is dead: there is nothing to wait for.
  elseif job.status == 'cancelling' then finish(job, 'cancelled')
  else
    num_taken = num_taken + 1
    lost[job.worker or ''] = lost[job.worker or ''] or {}
    table.insert(lost[job.worker or ''], job)
  end
end

local due = time_has_come('due', limit)
for _, id in ipairs(due) do
  local job = load(id)
  if job and not TERMINAL[job.status] then check(job) else set_score('due', id, nil) end
end
-- The note of what the worker did is lost with it, so all that it held are blamed.
for _, jobs in pairs(lost) do blame(jobs, 1, max_crashes, true) end

-- Older versions wrote id|tenant, and their records go by themselves.
local function forget(member)
  local id, tenant = member:match('^([^|]*)|?(.*)$')
  local job = load(id)
  if job and TERMINAL[job.status] then purge(job) end
  if tenant ~= '' then set_score('jobs:' .. tenant, id, nil) end
  set_score('expiring', member, nil)
end

-- However much is due, some room is left: memory is freed here.
local most = math.max(limit - #due, math.ceil(limit / 4))
local over = time_has_come('expiring', most)
for _, member in ipairs(over) do forget(member) end

local more = #due == limit or #over == most
if more then redis.call('SET', P .. 'reaper', reaper .. ' ' .. stamp(now)) end
return {more and 1 or 0, num_taken, stamp(outage_s)}
