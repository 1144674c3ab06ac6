-- Start one attempt at a queued job. Doubled and late messages find nothing to claim.
-- ARGV: id, worker, lease s, token of this call: if it comes again because its reply was lost, it gets the same attempt
-- Returns {attempt, task, model, request, timeout s, suspect}, or nil.
local id, worker, token = ARGV[1], ARGV[2], ARGV[4]
local status = get(id, 'status')

local function attempt()
  local fields = redis.call('HMGET', job_key(id), 'attempt', 'task', 'model', 'request', 'timeout_s', 'suspect')
  fields[1] = tonumber(fields[1])
  return fields
end

if status == 'running' and get(id, 'token') == token then return attempt() end
if status ~= 'queued' then return nil end
if number(id, 'deadline_at') <= now then
  finish(id, 'expired')
  return nil
end
leave_queue(id)
-- Messages are taken in the order in which they were pushed, so what entered well before this job has left the queue.
-- The second is for workers that take a message and claim its job a little later.
raise_watermark(queue_of(id), number(id, 'queued_at') - 1)
redis.call('HSET', job_key(id), 'status', 'running', 'worker', worker, 'token', token, 'started_at', stamp(now),
  'progress_done', 0)
redis.call('HINCRBY', job_key(id), 'attempt', 1)
look_again(id, tonumber(ARGV[3]))
-- While a suspect runs, whatever dies is its doing: its neighbours on this worker are not blamed (reap.lua). The mark
-- must outlive the suspect's lease, because the neighbours may be looked at after it.
if get(id, 'suspect') == '1' then
  redis.call('SET', P .. 'alone:' .. worker, id, 'EX', math.ceil(number(id, 'deadline_at') - now) + 3600)
end
tell(id, 'started')
return attempt()
