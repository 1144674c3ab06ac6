-- Reads and writes job records.
-- More than a streamed text has tokens, so a client that reconnects can continue after its last event.
local MAX_EVENTS = 65536
local NAMES = {'tenant', 'task', 'model'}
local LATER_NAMES = {'group', 'before', 'worker', 'wake', 'idem', 'request_id', 'publish_token'}
-- Numbers that every record has, and others with the value that they have by default: each field takes memory in each
-- record. Those of COUNTS are whole.
local NUMBERS = {'deadline_at', 'ttl_s', 'created_at'}
local LATER_NUMBERS = {'timeout_s', 'queued_at', 'started_at', 'completed_at'}
local COUNTS = {attempt = 0, version = 1, crashes = 0, alone = 0, progress_total = 1}
local FIELDS = {'status', 'followed', 'keep', 'suspect', 'tenant', 'task', 'model', 'group', 'before', 'worker', 'wake', 'idem',
  'request_id', 'publish_token', 'deadline_at', 'ttl_s', 'timeout_s', 'created_at', 'queued_at', 'started_at',
  'completed_at', 'attempt', 'version', 'crashes', 'alone', 'progress_total'}

-- Return the first name that can't be used, or nil.
local function fault_of_names(job)
  for _, name in ipairs(NAMES) do
    if not job[name] then return name end
  end
  local all = job.tenant .. job.task .. job.model
  for _, name in ipairs(LATER_NAMES) do
    if job[name] then all = all .. job[name] end
  end
  return not is_name(all) and 'name' or nil
end

-- Turn texts into numbers. Returns the first field that can't be used, or nil.
local function fault_of(job)
  if not (TERMINAL[job.status] or ACTIVE[job.status]) then return 'status' end
  for _, name in ipairs(NUMBERS) do
    job[name] = tonumber(job[name] or '')
    if not is_number(job[name]) then return name end
  end
  for _, name in ipairs(LATER_NUMBERS) do
    if job[name] then
      job[name] = tonumber(job[name])
      if not is_number(job[name]) then return name end
    end
  end
  for name, default in pairs(COUNTS) do
    job[name] = tonumber(job[name] or default)
    if not is_number(job[name], true) then return name end
  end
  if ACTIVE[job.status] and not job.timeout_s then return 'timeout_s' end
  if job.before and not job.before:find('^%d+ %d+ ') then return 'before' end
  return fault_of_names(job)
end

-- Records of versions before 0.2: each job has a stream, a suspect runs alone, and who has chosen ttl_s is unknown.
local function adapt_old(job)
  if job.suspect == '1' then job.group = job.group or job.id end
  job.followed, job.keep = '1', '1'
end

-- Return a job's record without its large fields, or nil if there is none that can be used. Changes go through save().
local function load(id)
  local values = redis.pcall('HMGET', job_key(id), unpack(FIELDS))
  if is_of_wrong_type(values) then return set_aside(id, 'type') end
  local job, exists = {id = id}, false
  for i, name in ipairs(FIELDS) do
    local value = values[i]
    if value then
      exists = true
      if value ~= '' then job[name] = value end
    end
  end
  if not exists then return nil end
  local fault = fault_of(job)
  if fault then return set_aside(id, fault, job.tenant) end
  if job.suspect then adapt_old(job) end
  return job
end

-- Append an event to the stream of a job that somebody follows or has followed.
local function append(job, event, ...)
  call_on('XADD', P .. 'events:' .. job.id, 'MAXLEN', '~', MAX_EVENTS, '*', 'event', event, 'attempt', job.attempt, ...)
end

-- Tell the gateways that wait for a job what its state is now, so that they read its record only when they need it. One
-- with a dot before its name waits for the end, and is told nothing else.
local function wake(job)
  if not job.wake then return end
  for dot, channel in job.wake:gmatch('(%.?)(%S+)') do
    if dot == '' or TERMINAL[job.status] then
      local changes = wake_ups[channel] or {}
      changes[#changes + 1] = job.id .. ':' .. job.status
      wake_ups[channel] = changes
    end
  end
end

-- Every change of a record is written and announced here: a new version for ETags, an event for streams, a wake-up.
local function save(job, event, changes, ...)
  job.version = job.version + 1
  local flat = {'version', job.version}
  for name, value in pairs(changes) do
    job[name] = value ~= '' and value or nil
    if type(value) == 'number' and value % 1 ~= 0 then value = stamp(value) end
    flat[#flat + 1], flat[#flat + 2] = name, value
  end
  redis.call('HSET', job_key(job.id), unpack(flat))
  if job.followed and event then append(job, event, ...) end
  wake(job)
end

-- Fencing: an attempt owns its job while the job is unfinished and no later attempt was started. The reaper may have taken
-- the job from a worker that was only cut off: then it is queued, and still that worker's until another one starts it.
local function owns(job, attempt)
  if not job or job.attempt ~= tonumber(attempt) then return false end
  return job.status == 'running' or job.status == 'cancelling' or (job.status == 'queued' and job.before ~= nil)
end
