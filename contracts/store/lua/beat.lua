-- Renew the leases of all attempts that a worker holds.
-- ARGV: lease s, then id, attempt, …
-- Returns the ids that are no longer this worker's to finish: fenced, cancelled, expired or deleted.
local gone = {}
for i = 2, #ARGV, 2 do
  local mine, status = owns(ARGV[i], ARGV[i + 1])
  if mine then look_again(ARGV[i], tonumber(ARGV[1])) end
  if not mine or status == 'cancelling' then gone[#gone + 1] = ARGV[i] end
end
return gone
