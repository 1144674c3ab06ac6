-- Renew the leases of all attempts that a worker holds, and return the jobs that it must stop.
-- ARGV: lease s, then id, attempt, …
-- Returns the ids of jobs that are cancelled, expired or deleted, or that another attempt owns.
-- Called again, it only renews the leases again.
local must_stop = {}
for i = 2, #ARGV, 2 do
  local job = load(ARGV[i])
  local mine = owns(job, ARGV[i + 1])
  if not mine or job.status == 'cancelling' then must_stop[#must_stop + 1] = ARGV[i] end
  if mine then
    resume(job) -- the worker was cut off for longer than its lease, and nobody else has started the job
    schedule_check(job, tonumber(ARGV[1]))
  end
end
return must_stop
