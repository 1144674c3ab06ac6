-- A worker's turn: record how attempts have ended, then start attempts at the oldest jobs that wait, as far as they fit
-- into its memory. Either part may be empty.
-- ARGV: worker, lease s, token of this call, most jobs to start, bytes that the worker has for them, most bytes of one job,
--       bytes per byte of a request, bytes per input,
--       number of outcomes, then for each: id, attempt, status, number of fields and values, field, value, …
--       then the queues to take jobs from, in this order; a job's id in the place of a queue takes that job, whatever it needs
-- Returns {accepted, started, too large}: for each outcome 1, or 0 if another attempt owns the job; for each attempt
-- {id, attempt, task, model, timeout s, group, request id, bytes, request}; {id, bytes} of the oldest job that no worker of
-- this size can hold beside others, or {}.
--
-- A call with the same token, sent again because its reply was lost, returns the attempts that it has started. Without
-- this they would run nowhere until their leases are over. Outcomes name their attempt, so that the same one is accepted
-- again.
local MAX_LOOKS = 16 -- jobs that are looked at and not started: they are past their deadline, or too large
local worker, lease_s, token = ARGV[1], tonumber(ARGV[2]), ARGV[3]
local most_jobs, bytes_left, most_bytes = tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])
local accepted, started, too_large = {}, {}, {}

-- Only a client's cancel ends a job as cancelled. An attempt may also stop because its worker leaves; the job then goes
-- back to the queue. A job that is being cancelled ends so, even if its worker has a result.
local function record_outcome(id, attempt, status, fields)
  local job = load(id)
  if not owns(job, attempt) then
    return job and job.ended_by == attempt and 1 or 0
  end
  if status == 'cancelled' and job.status ~= 'cancelling' then return 0 end
  if job.status == 'cancelling' then status, fields = 'cancelled', {} end
  fields.ended_by = attempt
  finish(job, status, fields)
  return 1
end

local position = 10
for i = 1, tonumber(ARGV[9]) do
  local fields, num_values = {}, tonumber(ARGV[position + 3])
  for j = position + 4, position + 3 + num_values, 2 do fields[ARGV[j]] = ARGV[j + 1] end
  accepted[i] = record_outcome(ARGV[position], ARGV[position + 1], ARGV[position + 2], fields)
  position = position + 4 + num_values
end

local function bytes_of(job)
  return redis.call('HSTRLEN', job_key(job.id), 'request') * tonumber(ARGV[7]) + job.progress_total * tonumber(ARGV[8])
end

local function reply_of(job, bytes)
  return {job.id, job.attempt, job.task, job.model, stamp(job.timeout_s), job.group or '', job.request_id or '', bytes,
    redis.call('HGET', job_key(job.id), 'request') or ''}
end

local function start(job, bytes)
  leave_queue(job)
  job.attempt = job.attempt + 1
  save(job, 'started', {status = 'running', worker = worker, token = token, started_at = now, progress_done = 0,
    attempt = job.attempt})
  schedule_check(job, lease_s)
  started[#started + 1] = reply_of(job, bytes)
end

local function take(job, runs_anyway)
  if job.deadline_at <= now then return end -- the reaper ends what is over
  local bytes = bytes_of(job)
  if runs_anyway then start(job, bytes)
  elseif job.group or bytes <= math.min(most_bytes, bytes_left) then -- suspects run whatever they need
    bytes_left = bytes_left - bytes
    start(job, bytes)
  elseif bytes > most_bytes and not too_large[1] then
    too_large = {job.id, bytes}
  end
end

-- Whatever is listed and does not wait, a broken record for instance, would be in the way of all that come after it.
local function take_queued(id, remove, list)
  local job = load(id)
  if job and job.status == 'queued' then take(job) else redis.call(remove, list, id) end
end

-- Members of a group start together: they must share a model call, or the one at fault is not found.
local function take_member(queue, member)
  local waiting, group = P .. 'waiting:' .. queue, P .. 'group:' .. member
  if queue:sub(-8) ~= '.suspect' then return take_queued(member, 'ZREM', waiting) end
  local ids = call_on('SMEMBERS', group) or {}
  for _, id in ipairs(ids) do take_queued(id, 'SREM', group) end
  if #ids == 0 then redis.call('ZREM', waiting, member) end
end

local function take_one(id)
  local job = load(id)
  if job and job.status == 'queued' then take(job, true) end
end

local function take_from(queue)
  local members = call_on('ZRANGE', P .. 'waiting:' .. queue, 0, most_jobs + MAX_LOOKS - 1) or {}
  local num_started, num_looked = #started, 0
  for i, member in ipairs(members) do
    if #started >= most_jobs or bytes_left <= 0 or i - #started > MAX_LOOKS then break end
    take_member(queue, member)
    num_looked = i
  end
  local num_waiting = call_on('ZCARD', P .. 'waiting:' .. queue) or 0
  if num_waiting == 0 then drop_messages(queue)
  -- Whoever took a message for jobs of which none could be started would get the next one at once, and so on: only the
  -- reaper pushes that one.
  elseif #started > num_started or num_looked == 0 then push_message(queue) end
end

local mark = P .. 'claim:' .. token
local function started_before()
  for id in (redis.call('GET', mark) or ''):gmatch('%S+') do
    local job = load(id)
    if job and job.token == token and job.status == 'running' then started[#started + 1] = reply_of(job, bytes_of(job)) end
  end
  return #started > 0
end

if most_jobs > 0 and not started_before() then
  for i = position, #ARGV do
    if ARGV[i]:sub(1, 9) == 'triptych.' then take_from(ARGV[i]) else take_one(ARGV[i]) end
  end
  if #started > 0 then
    local ids = {}
    for i, reply in ipairs(started) do ids[i] = reply[1] end
    redis.call('SET', mark, table.concat(ids, ' '), 'EX', 60) -- longer than a client sends the same call again
  end
end
return {accepted, started, too_large}
