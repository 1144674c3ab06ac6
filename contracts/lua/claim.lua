-- Start one attempt at a queued job. Doubled and late messages find nothing to claim.
-- ARGV: id, worker, lease s
-- Returns {attempt, task, model, request, timeout s, suspect}, or nil.
local id, worker = ARGV[1], ARGV[2]
if get(id, 'status') ~= 'queued' then return nil end
if number(id, 'deadline_at') <= now then
  finish(id, 'expired')
  return nil
end
local queue = queue_of(id)
-- The newest entry claimed so far: a queued job that entered earlier has lost its message (reap.lua).
local watermark = P .. 'watermark:' .. queue
local queued_at = number(id, 'queued_at')
if queued_at > tonumber(redis.call('GET', watermark) or 0) then
  redis.call('SET', watermark, stamp(queued_at), 'EX', TOMBSTONE_S)
end
leave_queue(id)
redis.call('HSET', job_key(id), 'status', 'running', 'worker', worker, 'started_at', stamp(now), 'progress_done', 0)
local attempt = redis.call('HINCRBY', job_key(id), 'attempt', 1)
look_again(id, tonumber(ARGV[3]))
local suspect = get(id, 'suspect')
-- While a suspect runs, whatever dies is its doing: its neighbours on this worker are not blamed (reap.lua).
if suspect == '1' then redis.call('SET', P .. 'alone:' .. worker, id, 'EX', 3600) end
tell(id, 'started')
return {attempt, get(id, 'task'), get(id, 'model'), get(id, 'request'), get(id, 'timeout_s'), suspect}
