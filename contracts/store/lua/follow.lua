-- Let a gateway be woken by changes of a job; with 'events', let the job have a stream of events from now on.
-- ARGV: id, channel (after a dot: of the end only), 'events' or ''. Returns 1, or 0 if there is no such job or it has ended.
-- A job that nobody follows has no stream. Its first follower gets the events that were left out, from the record, with
-- the ids that a gateway makes for a job that ended without a stream (services/gateway/streaming/record_events.py).
local MAX_CHANNELS = 6 -- gateways that have gone stay in the list, and the oldest of them make room
local job = load(ARGV[1])
if not job or TERMINAL[job.status] then return 0 end

local function append_at(job, seconds, number, event, attempt)
  local id = string.format('%d-%d', seconds * 1000, number)
  redis.call('XADD', P .. 'events:' .. job.id, id, 'event', event, 'attempt', attempt)
end

local function begin_stream(job)
  if redis.call('EXISTS', P .. 'events:' .. job.id) == 1 then return end -- by an older version
  append_at(job, job.created_at, 0, 'queued', 0)
  if job.status == 'queued' then return end
  -- Ids must increase, even if the store's clock was set back a little.
  append_at(job, math.max(job.started_at or 0, job.created_at), 1, 'started', job.attempt)
  if job.status == 'cancelling' then append(job, 'cancelling') end
end

-- A process that has a follower who wants to hear of every change goes on to hear of them.
local channels, own = {}, ARGV[2]
for dot, channel in (job.wake or ''):gmatch('(%.?)(%S+)') do
  if channel ~= own and '.' .. channel ~= own then channels[#channels + 1] = dot .. channel
  elseif dot == '' then own = channel end
end
channels[#channels + 1] = own
redis.call('HSET', job_key(job.id), 'wake', table.concat(channels, ' ', math.max(1, #channels - MAX_CHANNELS + 1)))
if ARGV[3] == 'events' and not job.followed then
  redis.call('HSET', job_key(job.id), 'followed', 1)
  begin_stream(job)
end
return 1
