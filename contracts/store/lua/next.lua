-- Start one attempt at the oldest job that waits in a queue and fits into the worker's memory: a worker that has finished
-- a job needs no message for the next one. The message of a job that was claimed so becomes stale, and is dropped at the
-- head of its queue.
-- ARGV: as claim.lua's, with a queue in the place of the id
-- Returns {attempt, task, model, request, timeout s, suspect, request id, id}, or nil; or {id, bytes} of the oldest job, if
-- none of the oldest ones fits.
-- The key claim:<token> remembers which job the call has claimed, so that the call, sent again because its reply was
-- lost, returns the same attempt instead of taking a second job.
local MAX_LOOKS = 16
local waiting, token = P .. 'waiting:' .. ARGV[1], ARGV[4]
local mark = P .. 'claim:' .. token
local claimed = redis.call('GET', mark)
if claimed then return get(claimed, 'token') == token and attempt_of(claimed) or nil end

local too_large
repeat
  local oldest = redis.call('ZRANGE', waiting, 0, MAX_LOOKS - 1)
  for _, id in ipairs(oldest) do
    local bytes = memory_of(id, ARGV[6], ARGV[7])
    if number(id, 'deadline_at') <= now then
      finish(id, 'expired')
    elseif bytes <= tonumber(ARGV[5]) then
      start_attempt(id, ARGV[2], ARGV[3], token)
      redis.call('SET', mark, id, 'EX', 60) -- longer than a client sends the same call again
      return attempt_of(id)
    else
      too_large = too_large or {id, bytes}
    end
  end
until too_large or #oldest == 0 -- all of them had expired, and left the queue
return too_large
