-- Renew the leases of all attempts that a worker holds, and return the jobs that it must stop.
-- ARGV: lease s, then id, attempt, …
-- Returns the ids of jobs that are cancelled, expired or deleted, or that another attempt owns.
-- Called again, it only renews the leases again.
local must_stop = {}
for i = 2, #ARGV, 2 do
  local mine, status = owns(ARGV[i], ARGV[i + 1])
  if mine then schedule_check(ARGV[i], tonumber(ARGV[1])) end
  if not mine or status == 'cancelling' then must_stop[#must_stop + 1] = ARGV[i] end
end
return must_stop
