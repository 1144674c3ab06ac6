-- Tell what the texts of running jobs have grown by, and learn which of them must stop: one call for all rows of a step.
-- A deadline takes effect here and not when the reaper looks.
-- ARGV: token of this call: if it comes again because its reply was lost, nothing is told twice,
--       then id, attempt, pieces ('' for nothing new), …
-- Returns the ids that are no longer this worker's to finish: fenced, cancelled, expired or deleted.
local gone, told = {}, {}
for i = 2, #ARGV, 3 do
  local id, attempt, pieces = ARGV[i], ARGV[i + 1], ARGV[i + 2]
  local mine, status = owns(id, attempt)
  if mine and number(id, 'deadline_at') <= now then
    finish(id, 'expired')
    mine = false
  end
  if not mine or status == 'cancelling' then gone[#gone + 1] = id
  elseif pieces ~= '' and get(id, 'told') ~= ARGV[1] then
    redis.call('HSET', job_key(id), 'told', ARGV[1])
    redis.call('XADD', P .. 'events:' .. id, 'MAXLEN', '~', MAX_EVENTS, '*', 'event', 'output', 'attempt', attempt,
      'pieces', pieces)
    told[#told + 1] = id
  end
end
if #told > 0 then redis.call('PUBLISH', P .. 'wake', table.concat(told, ' ')) end
return gone
