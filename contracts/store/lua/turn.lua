-- A worker's turn: record how attempts have ended, then start attempts at jobs that wait, as far as they fit into its
-- memory: those that are next by the shares of tenants (shares/picking.lua). Either part may be empty.
-- ARGV: worker, lease s, number of this turn and of its part (after a point), most jobs to start, bytes that the worker has
--       for them, most bytes of one job, bytes per byte of a request, bytes per input,
--       flows to leave alone, as a JSON list of 'lane tenant',
--       outcomes as JSON, for each a list of its id, attempt, status, fields of the record, whether it has an output,
--       and what it has consumed (work-seconds, tokens in and out, bytes out),
--       then these outputs, then the queues to take jobs from, in this order; a job's id in the place of a queue takes
--       that job, whatever it needs
-- Returns {accepted, started, requests, too large}:
-- * for each outcome 1, or 0 if another attempt owns the job, as one text
-- * for each attempt {id, attempt, task, model, timeout s, group, request id, bytes, tenant, lane, price s, weight}, as
--   JSON; and the requests of these
-- * {id, bytes} of the oldest job that no worker of this size can hold beside others, or {}
-- JSON, because a client takes longer for a call or a reply of many parts than for the rest of a short job.
--
-- A call that is sent again because its reply was lost has the same numbers. It returns the attempts that the turn has
-- started: otherwise they would run nowhere until their leases are over. One with a number that is lower than the last
-- was held up on its way, and nobody waits for it (abandon.lua). Outcomes name their attempt, so that the same one is
-- accepted again.
local MAX_LOOKS = 32 -- jobs that are looked at and not started, because they are late or too large
local MAX_CALLS = 470 -- of commands; one more job takes up to 30
local MAX_QUEUE_LOOKS = 24 -- of these, in one queue; half of what is left are of one flow, so that others have their turn
local worker, lease_s = ARGV[1], tonumber(ARGV[2])
local number, part = ARGV[3]:match('^(%d+)%.(%d+)$')
local most_jobs, bytes_left, most_bytes = tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])
local accepted, started, requests, too_large = {}, {}, {}, {}
local was_started = {} -- by id: lists have those of this call until it ends
local looks_left = MAX_LOOKS

-- The outcome has been recorded by this call before: its reply was lost, and with it what the log says of the end.
local function ended_before(job, attempt)
  if not job or job.attempt ~= tonumber(attempt) or not TERMINAL[job.status] then return 0 end
  num_calls = num_calls + 1
  local values = redis.call('HMGET', job_key(job.id), 'error_code', 'timings', 'ended_by')
  job.error_code, job.timings = values[1] or nil, values[2] or nil
  local by_others = job.status == 'expired' or job.error_code == 'worker_lost'
    or (job.status == 'cancelled' and values[3] ~= attempt)
  if by_others then return 0 end
  ended[#ended + 1] = job
  return 1
end

-- Only a client's cancel ends a job as cancelled. An attempt may also stop because its worker leaves; the job then goes
-- back to the queue. A job that is being cancelled ends so, even if its worker has a result.
local function record_outcome(id, attempt, status, fields, consumed)
  local job = load(id)
  if not owns(job, attempt) then return ended_before(job, attempt) end
  if status == 'cancelled' and job.status ~= 'cancelling' then return 0 end
  resume(job)
  if job.status == 'cancelling' then status, fields = 'cancelled', {ended_by = attempt} end
  finish(job, status, fields, consumed)
  return 1
end

local position = 11
for i, outcome in ipairs(cjson.decode(ARGV[10])) do
  local id, attempt, status, fields, has_output, consumed = unpack(outcome)
  if has_output then
    fields.output = ARGV[position]
    position = position + 1
  end
  accepted[i] = record_outcome(id, tostring(attempt), status, fields, consumed)
end

local function bytes_of(job)
  -- Records of older versions don't say what they hold.
  local size = job.held > 0 and job.held - RECORD_BYTES - job.extra_bytes or call_on('HSTRLEN', job_key(job.id), 'request')
  return size * tonumber(ARGV[7]) + job.progress_total * tonumber(ARGV[8])
end

local function add_reply(job, bytes)
  started[#started + 1] = {job.id, job.attempt, job.task, job.model, job.timeout_s, job.group or '',
    job.request_id or '', bytes, job.tenant, job.lane, job.price_s or 0, job.weight}
  num_calls = num_calls + 1
  requests[#requests + 1] = redis.call('HGET', job_key(job.id), 'request') or ''
end

-- What an earlier attempt has left in the record, and what becomes of it.
local NOTHING, OF_EARLIER = {}, {'progress_done', 0, 'before', ''}

local function start(job, bytes)
  leave_queue(job, true)
  local cleared = job.attempt > 0 and OF_EARLIER or NOTHING
  -- As save() does it, which takes twice as long: it does not know what changes.
  job.status, job.attempt, job.version, job.before = 'running', job.attempt + 1, job.version + 1, nil
  num_calls = num_calls + 1
  redis.call('HSET', job_key(job.id), 'version', job.version, 'status', 'running', 'attempt', job.attempt,
    'worker', worker, 'started_at', stamp(now), unpack(cleared))
  announce(job, 'started')
  schedule_check(job, lease_s)
  begin_share(job)
  was_started[job.id] = true
  add_reply(job, bytes)
end

-- A suspect that runs alone is the only suspect of its worker, or another one could be the reason if it crashes.
local has_suspect, has_lone_suspect = false, false
local function may_run(job)
  if not job or job.status ~= 'queued' then return false end
  if job.deadline_at <= now then return false end -- the reaper ends what is late
  return not job.group or not (has_lone_suspect or (has_suspect and job.group == job.id))
end

-- Start an attempt if the job may run, and fits or runs anyway; return whether it has.
local function take(job, runs_anyway)
  if may_run(job) then
    local bytes = bytes_of(job)
    if runs_anyway or job.group or (bytes <= most_bytes and bytes <= bytes_left) then -- suspects run whatever they need
      bytes_left = bytes_left - (runs_anyway and 0 or bytes)
      start(job, bytes)
      has_suspect = has_suspect or job.group ~= nil
      has_lone_suspect = has_lone_suspect or job.group == job.id
      return true
    end
    if bytes > most_bytes and not too_large[1] then too_large = {job.id, bytes} end
  end
  looks_left = looks_left - 1
  return false
end

-- Members of a group start together: they must share a model call, or the one at fault is not found.
local function take_rest_of_group(job, seen)
  for _, id in ipairs(call_on('SMEMBERS', P .. 'group:' .. job.group) or {}) do
    if not seen[id] then
      seen[id] = true
      take(load(id))
    end
  end
end

-- Commands that are still to come, at the end of the call: for each channel, each job that ends, each lane that has changed.
local function num_calls_at_end()
  local num = 30 + #ended
  for _ in pairs(wake_ups) do num = num + 1 end
  for _ in pairs(to_wake) do num = num + 4 end
  for _, state in pairs(states) do
    for _, lane in pairs(state.lanes) do num = num + (next(lane.flows) and 9 or 0) + (next(lane.given) and 7 or 0) end
    num = num + 2
  end
  return num
end

-- Whether another job may be started: if there are places, memory, and commands for it. Of the commands of a job at least
-- one in ten comes before the end of the call, so what is still to come need not be counted for each.
local free_until = 0
local function has_room()
  if #started >= most_jobs or bytes_left <= 0 then return false end
  if num_calls < free_until then return true end
  local num_left = MAX_CALLS - num_calls - num_calls_at_end()
  free_until = num_calls + num_left / 10
  return num_left > 0
end

-- Take jobs of suspects, or of older versions, the oldest first; return how many were met.
local function take_from_list(queue)
  local waiting, seen = P .. 'waiting:' .. queue, {}
  local least_looks = math.max(0, looks_left - MAX_QUEUE_LOOKS)
  local ids = call_on('ZRANGE', waiting, 0, math.max(1, most_jobs - #started) + MAX_QUEUE_LOOKS - 1) or {}
  local num_met = 0
  for _, id in ipairs(ids) do
    if not has_room() or looks_left <= least_looks then break end
    num_met = num_met + 1
    if not seen[id] then
      seen[id] = true
      local job = load(id)
      -- Whatever is listed and does not wait, a broken record for instance, would be in the way of what comes after it.
      if not job or job.status ~= 'queued' then set_score('waiting:' .. queue, id, nil) end
      if take(job) and in_set(job) then take_rest_of_group(job, seen) end
    end
  end
  return num_met
end

-- Take out of a flow what is listed there and does not wait. What its work was may not be known any more.
local function drop(lane, flow, id, job)
  looks_left = looks_left - 1
  set_score(flow.list, id, nil)
  resize(lane, flow, -1, -(job and job.price_s or flow.backlog / math.max(1, flow.num)))
end

-- Take the oldest job of a flow that can be started and return it, or nil. One that is passed over costs a look.
local function take_of_flow(lane, head, least_looks)
  local flow = flow_of(lane, head.tenant, head.stored)
  local least = least_looks + math.floor((looks_left - least_looks) / 2)
  while looks_left > least do
    local id = next_id(lane, head, flow.list)
    if not id then return nil end
    local job = not was_started[id] and load(id) or nil
    local waits = job and job.status == 'queued'
    if not waits and not was_started[id] then drop(lane, flow, id, job) end -- as above
    local is_taken = waits and take(job)
    if not waits or is_taken then head.num_gone = head.num_gone + 1 end
    if is_taken then return job end
  end
end

local passed, num_passed = nil, 0
for _, name in ipairs(cjson.decode(ARGV[9])) do
  passed, num_passed = passed or {}, num_passed + 1
  passed[name] = true
end

-- Take jobs of the flows that are next; return how many of these were met, and whether some were left alone.
local function take_from_flows(queue)
  local lanes, met, num_met, has_passed = lanes_with_heads(queue, most_jobs - #started, passed, num_passed), {}, 0, false
  for _, lane in ipairs(lanes) do has_passed = has_passed or lane.has_passed end
  local least_looks = math.max(0, looks_left - MAX_QUEUE_LOOKS)
  while has_room() and looks_left > least_looks do
    local lane, lane_start = least_lane(lanes)
    if not lane then break end
    local head = lane.heads[lane.first]
    met[head], num_met = lane, num_met + 1
    local job = take_of_flow(lane, head, least_looks)
    if job then pay(lane, lane_start, job) else lane.first = lane.first + 1 end
  end
  for head, lane in pairs(met) do
    local flow = flow_of(lane, head.tenant)
    flow.num_left, flow.changed = head.is_read and #head.ids - head.num_gone, true
    if not lane.forgotten then end_picking(lane) end
  end
  return num_met, has_passed
end

-- Whoever has taken jobs, or had no room to look at any, leaves the others a message. Otherwise jobs that are late or too
-- large would wake the same worker again and again. One that leaves flows alone listens for newcomers only.
local function take_from(queue)
  local num_before = #started
  local num_met, has_passed = take_from_list(queue), false
  if queue:sub(-8) ~= '.suspect' and has_room() then
    local num_in_flows
    num_in_flows, has_passed = take_from_flows(queue)
    num_met = num_met + num_in_flows
  end
  local for_others = #started > num_before or num_met == 0 or has_passed
  to_wake[queue] = for_others and 'may wait' or 'may be empty'
  if has_passed and not has_room() then newcomers[queue] = true end
end

-- Return an attempt whose start the worker has not heard of. Until now nobody has renewed its lease.
local function start_again(job, attempt)
  if not owns(job, attempt) then return end
  resume(job)
  if job.status == 'cancelling' then return finish(job, 'cancelled') end
  schedule_check(job, lease_s)
  add_reply(job, bytes_of(job))
end

-- The last turn's number, its last part, and what it has started.
local mark = P .. 'turn:' .. worker
local note = {number, part}
local function made_before()
  local earlier = redis.call('GET', mark) or '0 0'
  local last, last_part = earlier:match('^(%d+) (%d+)')
  if tonumber(last) ~= tonumber(number) then return tonumber(last) > tonumber(number) end
  local again = tonumber(part) <= tonumber(last_part)
  for id, attempt in earlier:gmatch(' ([^ :]+):(%d+)') do
    note[#note + 1] = id .. ':' .. attempt
    if again then start_again(load(id), attempt) end
  end
  return again
end

local function take_all()
  for i = position, #ARGV do
    if ARGV[i]:sub(1, 9) == 'triptych.' then take_from(ARGV[i]) else take(load(ARGV[i]), true) end
  end
  for _, reply in ipairs(started) do note[#note + 1] = reply[1] .. ':' .. reply[2] end
  redis.call('SET', mark, table.concat(note, ' '), 'EX', 600)
  -- From the first lease on: an outage may come before the first pass of a reaper, and could not be told without it.
  if seconds_of(reaped_at) == 0 then redis.call('SET', P .. 'reaped_at', stamp(now)) end
end

if most_jobs > 0 and not made_before() then take_all() end
return {table.concat(accepted), started[1] and cjson.encode(started) or '', requests, too_large}
