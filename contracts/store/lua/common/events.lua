-- What those who follow a job, or wait for it, hear of it.
-- More than a streamed text has tokens, so a client that reconnects can continue after its last event.
local MAX_EVENTS = 65536

-- Append an event to the stream of a job that somebody follows or has followed.
local function append(job, event, ...)
  call_on('XADD', P .. 'events:' .. job.id, 'MAXLEN', '~', MAX_EVENTS, '*', 'event', event, 'attempt', job.attempt, ...)
end

-- Tell the gateways that wait for a job what its state is now, so that they read its record only when they need it. One
-- with a dot before its name waits for the end, and is told nothing else; it gets the record with it (flush).
local function wake(job)
  if not job.wake then return end
  for dot, channel in job.wake:gmatch('(%.?)(%S+)') do
    if dot == '' or TERMINAL[job.status] then
      local changes = wake_ups[channel] or {}
      changes[#changes + 1] = {job = job, status = job.status, ends = dot ~= ''}
      wake_ups[channel] = changes
    end
  end
end
