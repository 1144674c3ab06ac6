-- Give an attempt back to the queue without blame, because its worker leaves. ARGV: id, attempt, republish after s
-- Returns 1, or 0 when the attempt no longer owned the job.
local id = ARGV[1]
local mine, status = owns(id, ARGV[2])
if not mine then return 0 end
leave_worker(id)
if status == 'cancelling' then finish(id, 'cancelled') else enter_queue(id, tonumber(ARGV[3])) end
return 1
