-- Append output events to the streams of running jobs, and return the jobs that must stop: one call for all sequences
-- of a decode step.
-- ARGV: token of this call, then id, attempt, pieces ('' for nothing new), …
-- Returns the ids of jobs that are cancelled, expired or deleted, or that another attempt owns.
-- A job keeps the token of the last call that appended to its stream. So if the call is sent again because its reply
-- was lost, no event is appended twice.
local must_stop = {}
for i = 2, #ARGV, 3 do
  local job, pieces = load(ARGV[i]), ARGV[i + 2]
  if not owns(job, ARGV[i + 1]) or job.status == 'cancelling' then must_stop[#must_stop + 1] = ARGV[i]
  elseif pieces ~= '' and job.followed and job.publish_token ~= ARGV[1] then
    -- Not save(): deltas are no part of the record, so its version, the ETag, stays.
    redis.call('HSET', job_key(job.id), 'publish_token', ARGV[1])
    append(job, 'output', 'pieces', pieces)
    wake(job)
  end
end
return must_stop
