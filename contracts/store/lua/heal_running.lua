-- Look whether jobs that count as running do, some at random: their records may be broken, or gone by hand. If one does not,
-- nothing of it is counted any more. Nor is anything in a queue in which nothing runs or waits: one at random, of those in
-- which jobs may wait. ARGV: how many. Returns how many did not.
local num_wrong, found = 0, call_on('HRANDFIELD', P .. 'running_jobs', ARGV[1], 'WITHVALUES') or {}
for i = 1, #found, 2 do
  local job = load(found[i])
  if not job or (job.status ~= 'running' and job.status ~= 'cancelling') then
    num_wrong = num_wrong + 1
    local model, lane, tenant, price_s, weight = found[i + 1]:match('^([^|]+)|([^|]+)|([^|]*)|(%S+)|(%S+)$')
    if not LANE_WEIGHTS[lane] then redis.call('HDEL', P .. 'running_jobs', found[i])
    else
      count_running({id = found[i], model = model, lane = lane, tenant = tenant, price_s = seconds_of(price_s),
        weight = seconds_of(weight)}, -1)
    end
  end
end
local queue = call_on('SRANDMEMBER', P .. 'queues')
if queue and queue:sub(-8) ~= '.suspect' then heal_queue(queue) end
return num_wrong
