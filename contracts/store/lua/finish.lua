-- Set the terminal state if, and only if, this attempt still owns the job. A job that is being cancelled ends
-- cancelled, whatever the worker brings. ARGV: id, attempt, status, then field, value, …   Returns 1, or 0 when nothing ended.
local id = ARGV[1]
local mine, status = owns(id, ARGV[2])
-- The same call again, because its reply was lost, is told again that it was this attempt that ended the job.
if not mine then return get(id, 'ended_by') == ARGV[2] and 1 or 0 end
-- Only clients cancel: an attempt that stops because its worker leaves is on its way back to the queue.
if ARGV[3] == 'cancelled' and status ~= 'cancelling' then return 0 end
leave_worker(id)
redis.call('HSET', job_key(id), 'ended_by', ARGV[2])
if status == 'cancelling' then finish(id, 'cancelled') else finish(id, ARGV[3], unpack(ARGV, 4)) end
return 1
