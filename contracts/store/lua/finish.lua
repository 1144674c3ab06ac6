-- Set the terminal state if, and only if, this attempt still owns the job. A job that is being cancelled ends
-- as cancelled, even if its worker has a result. ARGV: id, attempt, status, then field, value, …
-- Returns 1, or 0 when this attempt did not end the job.
local id = ARGV[1]
local mine, status = owns(id, ARGV[2])
-- If the same call is sent again because its reply was lost, it gets the same answer: this attempt ended the job.
if not mine then
  if get(id, 'ended_by') ~= ARGV[2] then return 0 end
  report_end(id)
  return 1
end
-- Only a client's cancel ends a job as cancelled. An attempt may also stop because its worker leaves; the job then goes
-- back to the queue.
if ARGV[3] == 'cancelled' and status ~= 'cancelling' then return 0 end
leave_worker(id)
redis.call('HSET', job_key(id), 'ended_by', ARGV[2])
if status == 'cancelling' then finish(id, 'cancelled') else finish(id, ARGV[3], unpack(ARGV, 4)) end
return 1
