-- Append output events to the streams of running jobs, and return the jobs that must stop: one call for all sequences
-- of a decode step. A deadline takes effect here at once, not only when the reaper checks.
-- ARGV: token of this call, then id, attempt, pieces ('' for nothing new), …
-- Returns the ids of jobs that are cancelled, expired or deleted, or that another attempt owns.
-- A job keeps the token of the last call that appended to its stream. So if the call is sent again because its reply
-- was lost, no event is appended twice.
local must_stop, published = {}, {}
for i = 2, #ARGV, 3 do
  local id, attempt, pieces = ARGV[i], ARGV[i + 1], ARGV[i + 2]
  local mine, status = owns(id, attempt)
  if mine and number(id, 'deadline_at') <= now then
    finish(id, 'expired')
    mine = false
  end
  if not mine or status == 'cancelling' then must_stop[#must_stop + 1] = id
  elseif pieces ~= '' and get(id, 'publish_token') ~= ARGV[1] then
    -- Not emit(): deltas are no part of the record, so its version, the ETag, stays; and one wake-up serves all jobs.
    redis.call('HSET', job_key(id), 'publish_token', ARGV[1])
    redis.call('XADD', P .. 'events:' .. id, 'MAXLEN', '~', MAX_EVENTS, '*', 'event', 'output', 'attempt', attempt,
      'pieces', pieces)
    published[#published + 1] = id
  end
end
if #published > 0 then redis.call('PUBLISH', P .. 'wake', table.concat(published, ' ')) end
return must_stop
