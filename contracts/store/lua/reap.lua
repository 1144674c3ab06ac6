-- Check jobs that are due: expire them, or take them from dead workers. Then forget ended jobs whose time is over.
-- ARGV: limit, max crashes, this pass's gap that counts as an outage s, lease s
-- Returns {checked, taken from dead workers}; if the first is the limit, call again.
local limit, max_crashes, outage_s, lease_s = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local LIMITED = {'LIMIT', 0, limit}

-- Nobody could renew a lease while the store was away, so nobody is blamed until all have had the time to do so.
local last = tonumber(redis.call('GET', P .. 'reaped_at') or now)
redis.call('SET', P .. 'reaped_at', stamp(now))
if now - last > outage_s then
  redis.call('SET', P .. 'grace_until', stamp(now + lease_s), 'PX', math.ceil(lease_s * 2000))
end
local grace_until = tonumber(redis.call('GET', P .. 'grace_until') or 0)

local function time_has_come(key)
  return redis.call('ZRANGEBYSCORE', P .. key, '-inf', stamp(now), unpack(LIMITED))
end

local lost, num_taken = {}, 0
local due = time_has_come('due')
for _, id in ipairs(due) do
  local job = load(id)
  if not job or TERMINAL[job.status] then redis.call('ZREM', P .. 'due', id)
  elseif job.deadline_at <= now then finish(job, job.status == 'cancelling' and 'cancelled' or 'expired')
  elseif job.status == 'queued' then schedule_check(job)
  elseif grace_until > now then redis.call('ZADD', P .. 'due', stamp(math.min(grace_until, job.deadline_at)), id)
  -- Its worker would have confirmed the cancellation within the lease, so it is dead: there is nothing to wait for.
  elseif job.status == 'cancelling' then finish(job, 'cancelled')
  else
    num_taken = num_taken + 1
    lost[job.worker or ''] = lost[job.worker or ''] or {}
    table.insert(lost[job.worker or ''], job)
  end
end
-- The note of what the worker did is lost with it, so all that it held are blamed.
for _, jobs in pairs(lost) do blame_each_group(jobs, max_crashes) end

local over = time_has_come('expiring')
for _, id in ipairs(over) do
  local job = load(id)
  if job then purge(job) else redis.call('ZREM', P .. 'expiring', id) end
end
return {math.max(#due, #over), num_taken}
