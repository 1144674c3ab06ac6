-- Tell what the texts of running jobs have grown by, and learn which of them must stop: one call for all rows of a step.
-- A deadline takes effect here and not when the reaper looks. ARGV: id, attempt, output ('' for nothing new), …
-- Returns the ids that are no longer this worker's to finish: fenced, cancelled, expired or deleted.
local gone = {}
for i = 1, #ARGV, 3 do
  local id, attempt, output = ARGV[i], ARGV[i + 1], ARGV[i + 2]
  local mine, status = owns(id, attempt)
  if mine and number(id, 'deadline_at') <= now then
    finish(id, 'expired')
    mine = false
  end
  if not mine or status == 'cancelling' then gone[#gone + 1] = id
  elseif output ~= '' then
    redis.call('XADD', P .. 'events:' .. id, 'MAXLEN', '~', MAX_EVENTS, '*', 'event', 'output', 'attempt', attempt,
      'pieces', output)
    redis.call('PUBLISH', P .. 'wake', id)
  end
end
return gone
