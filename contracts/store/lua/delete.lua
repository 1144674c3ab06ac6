-- Delete a job in any state. An attempt that still runs is fenced: it finds no record. ARGV: id
local job = load(ARGV[1])
if not job then return 0 end
-- Ending the job first corrects the counts and the queue.
if not TERMINAL[job.status] then finish(job, 'cancelled') else wake(job) end
purge(job)
return 1
