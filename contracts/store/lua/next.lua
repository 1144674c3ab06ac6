-- Start one attempt at the oldest job that waits in a queue: a worker that has finished a job needs no message for the
-- next one. The message of a job that was claimed so becomes stale, and is dropped at the head of its queue.
-- ARGV: queue, worker, lease s, token of this call
-- Returns {attempt, task, model, request, timeout s, suspect, request id, id}, or nil.
-- The key claim:<token> remembers which job the call has claimed, so that the call, sent again because its reply was
-- lost, returns the same attempt instead of taking a second job.
local waiting, token = P .. 'waiting:' .. ARGV[1], ARGV[4]
local mark = P .. 'claim:' .. token
local claimed = redis.call('GET', mark)
if claimed then return get(claimed, 'token') == token and attempt_of(claimed) or nil end

local id = redis.call('ZRANGE', waiting, 0, 0)[1]
while id do
  if number(id, 'deadline_at') > now then
    start_attempt(id, ARGV[2], ARGV[3], token)
    redis.call('SET', mark, id, 'EX', 60) -- longer than a client sends the same call again
    return attempt_of(id)
  end
  finish(id, 'expired')
  id = redis.call('ZRANGE', waiting, 0, 0)[1]
end
return nil
