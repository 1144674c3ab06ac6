-- Start one attempt at a queued job. Duplicate and late messages find nothing to claim.
-- ARGV: id, worker, lease s, token of this call, bytes that the worker has room for, bytes per byte of the request, bytes
--       per input
-- Returns {attempt, task, model, request, timeout s, suspect, request id, id}, or nil; or {id, bytes} of a job that does
-- not fit.
-- A call with the same token, sent again because its reply was lost, returns the attempt that it started. Without this
-- the job would run nowhere until its lease is over, and would be blamed for a crash.
local id, worker, token = ARGV[1], ARGV[2], ARGV[4]
local status = get(id, 'status')

if status == 'running' and get(id, 'token') == token then return attempt_of(id) end
if status ~= 'queued' then return nil end
if number(id, 'deadline_at') <= now then
  finish(id, 'expired')
  return nil
end
local bytes = memory_of(id, ARGV[6], ARGV[7])
if bytes > tonumber(ARGV[5]) then return {id, bytes} end
-- Messages are taken in the order in which they were pushed, so what entered well before this job has left the queue.
-- The second is for workers that take a message and claim its job a little later.
raise_watermark(queue_of(id), number(id, 'queued_at') - 1)
start_attempt(id, worker, ARGV[3], token)
return attempt_of(id)
