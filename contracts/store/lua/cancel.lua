-- Ask for a job to stop. Queued: cancelled at once. Running: its worker learns by its next heartbeat. ARGV: id
local id = ARGV[1]
local status = get(id, 'status')
if status == 'queued' then
  finish(id, 'cancelled')
elseif status == 'running' then
  redis.call('HSET', job_key(id), 'status', 'cancelling')
  tell(id, 'cancelling')
end
return 1
