-- Renew the leases of all attempts that a worker holds, and return the jobs that it must stop.
-- ARGV: lease s, then id, attempt, …
-- Returns the ids of jobs that are cancelled, expired or deleted, or that another attempt owns.
-- Called again, it only renews the leases again.
local must_stop = {}
for i = 2, #ARGV, 2 do
  local job = load(ARGV[i])
  if not owns(job, ARGV[i + 1]) or job.status == 'cancelling' then must_stop[#must_stop + 1] = ARGV[i] end
  if owns(job, ARGV[i + 1]) then
    -- The worker was cut off for longer than its lease, and nobody else has started the job: it goes on.
    if job.status == 'queued' then
      leave_queue(job)
      save(job, 'started', {status = 'running'})
    end
    schedule_check(job, tonumber(ARGV[1]))
  end
end
return must_stop
