-- Ask for a job to stop. A queued job is cancelled at once. The worker of a running job learns it from its next
-- heartbeat or publish, and the job stays in the state 'cancelling' until then. ARGV: id
local job = load(ARGV[1])
if not job then return 0 end
if job.status == 'queued' then finish(job, 'cancelled')
elseif job.status == 'running' then save(job, 'cancelling', {status = 'cancelling'}) end
return 1
