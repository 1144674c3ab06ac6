-- Delete a job in any state. An attempt that still runs is fenced: it finds no record. ARGV: id
local job = load(ARGV[1])
if not job then return 0 end
if not TERMINAL[job.status] then finish(job, 'cancelled') end -- which corrects the counts and the queue
purge(job)
return 1
