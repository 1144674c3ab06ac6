-- Look whether jobs that count as running do, some at random: their records may be broken, or gone by hand. If one does not,
-- nothing of it is counted any more. ARGV: how many. Returns how many did not.
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
return num_wrong
