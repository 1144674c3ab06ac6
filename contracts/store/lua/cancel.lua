-- Ask for a job to stop. A queued job is cancelled at once. The worker of a running job learns it from its next
-- heartbeat or publish, and the job stays in the state 'cancelling' until then. ARGV: id
local id = ARGV[1]
local status = get(id, 'status')
if status == 'queued' then
  finish(id, 'cancelled')
elseif status == 'running' then
  redis.call('HSET', job_key(id), 'status', 'cancelling')
  emit(id, 'cancelling')
end
return 1
