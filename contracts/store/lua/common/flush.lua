-- After every script (contracts/store/scripts.py): write what all changes of the call have in common.
local function write_scores()
  for name, members in pairs(scores) do
    local added, removed, key = {}, {}, P .. name
    for member, score in pairs(members) do
      if score then put(added, stamp(score), member) else removed[#removed + 1] = member end
    end
    if added[1] and not call_on('ZADD', key, unpack(added)) then -- what is stored there would hide these for ever
      redis.call('UNLINK', key)
      redis.call('ZADD', key, unpack(added))
    end
    if removed[1] then call_on('ZREM', key, unpack(removed)) end
  end
end

-- A message says that a queue has work. There is one in the list while jobs wait; a worker that takes it claims as many
-- jobs as it has room for, and if more are left that claim pushes the next message. A lost one is replaced by the next
-- submit, or by the reaper. More than one is of an older version, or of somebody else.
local function push_message(queue, list)
  local num_messages = call_on('LLEN', list)
  if num_messages == 1 then return 0 end
  if num_messages ~= 0 then redis.call('UNLINK', list) end
  redis.call('SADD', P .. 'queues', queue)
  -- kombu keeps the messages of a worker by their tags, so each needs another one.
  redis.call('LPUSH', list, (MESSAGE:gsub('@(%u+)@', {TAG = list .. '.' .. stamp(clock), QUEUE = list})))
  return 1
end

-- Return whether jobs wait in a queue.
local function any_waits(queue)
  return redis.call('EXISTS', P .. 'waiting:' .. queue, keys_of_lanes('tenants', queue)) > 0
end

-- Return how many were pushed. A queue has two lists: the second one is for newcomers, flows of which nothing has waited.
-- A worker listens to it as long as it has room for these.
local function push_messages()
  local num_pushed = 0
  for queue, state in pairs(to_wake) do
    if state ~= 'waits' and not any_waits(queue) then
      redis.call('UNLINK', queue, queue .. ':new') -- whoever took a message would find nothing
    elseif state ~= 'may be empty' then
      num_pushed = num_pushed + push_message(queue, queue)
    end
  end
  for queue in pairs(newcomers) do
    num_pushed = num_pushed + push_message(queue, queue .. ':new')
  end
  to_wake, newcomers = {}, {}
  return num_pushed
end

-- What the log says of the jobs that this call has ended, as contracts/store/job_ends.py reads it; times in microseconds.
-- As JSON, because a client takes longer to read a reply of many parts than to do anything else with it.
local function report_ends()
  if not ended[1] then return '' end
  local reply = {}
  for i, job in ipairs(ended) do
    local created_at, completed_at = job.created_at or 0, job.completed_at or 0
    local queued_at = job.queued_at or created_at
    -- A job that went back to its queue was started before it was queued, and may have ended there.
    local claimed_at = (job.started_at or 0) >= queued_at and job.started_at or completed_at
    reply[i] = {job.id, job.status, job.task, job.model, job.tenant, job.request_id or '', job.worker or '',
      job.error_code or '', job.timings or '', job.attempt, job.crashes, (claimed_at - queued_at) * 1e6,
      (completed_at - created_at) * 1e6}
  end
  return cjson.encode(reply)
end

-- Gateways read larger records themselves: what the store has published and a slow gateway has not read yet takes the
-- store's memory, and to publish it its time.
local MAX_RECORD = 8192

-- Return the record of a job that has ended in this call, without its output, or nil if it is gone or too large.
local function record_of(job)
  local size = #(job.output or '')
  if size > MAX_RECORD then return nil end
  local values = redis.call('HMGET', job_key(job.id), record_fields())
  for _, value in ipairs(values) do size = size + #(value or '') end
  return values[1] and size <= MAX_RECORD and values or nil
end

-- What contracts/store/changes.py reads: as JSON a list {id, status} for each change, in those of the end also the record
-- and the length of its output; and after it these outputs, which are no text.
local function publish_changes()
  local records = {}
  for channel, changes in pairs(wake_ups) do
    local message, outputs = {}, {}
    for i, change in ipairs(changes) do
      local job = change.job
      message[i] = {job.id, change.status}
      if change.ends and records[job] == nil then records[job] = record_of(job) or false end
      if change.ends and records[job] then
        outputs[#outputs + 1] = job.output or ''
        message[i] = {job.id, change.status, records[job], job.output and #job.output or -1}
      end
    end
    redis.call('PUBLISH', channel, cjson.encode(message) .. '\n' .. table.concat(outputs))
  end
end

local function flush()
  write_scores()
  write_shares()
  push_messages()
  publish_changes()
  add_to_hash('active', active_steps)
  add_to_hash('finished', finished_steps)
  add_to_hash('served', served_steps)
  for _, write in ipairs(at_end) do write() end
  return {report_ends(), set_aside_now}
end
