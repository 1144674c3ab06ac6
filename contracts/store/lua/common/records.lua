-- Reads and writes job records.

-- What is in a field: its text, or nil if there is none.
local function text(value) return value and value ~= '' and value or nil end

-- A number that a field holds, or nil if there is none, or anything else.
local function number(value)
  value = tonumber(value or '')
  -- No count is larger, and no time: it is in the year 5138. NaN is neither less nor more than any number.
  return value and value >= 0 and value <= 1e11 and value or nil
end

-- Fields of a record: those that each has, numbers, and texts. Most are left out where they say nothing, because each takes
-- memory in every record. The first two numbers may be anything: counts of bytes heal.
local FIELDS = {'status', 'tenant', 'task', 'model', 'deadline_at', 'ttl_s', 'created_at', 'held', 'extra_bytes',
  'timeout_s', 'price_s', 'weight', 'attempt', 'version', 'crashes', 'alone', 'progress_total', 'queued_at', 'started_at',
  'completed_at', 'request_id', 'lane', 'key', 'wake', 'followed', 'keep', 'idem', 'group', 'before', 'worker',
  'publish_token', 'suspect'}
local LAST_OF_EACH, FIRST_NUMBER, LAST_NUMBER = 7, 10, 20
-- What is left out is this.
local DEFAULTS = {__index = {held = 0, weight = 1, extra_bytes = 0, attempt = 0, version = 1, crashes = 0, alone = 0,
  progress_total = 1, lane = 'default'}}

-- Return a job, with the name of a field that can't be used as its fault, if there is one.
local function job_of(id, values)
  -- With room for what most jobs have: a table that grows is made anew.
  local job = {id = id, status = values[1], tenant = text(values[2]), task = text(values[3]), model = text(values[4]),
    deadline_at = number(values[5]), ttl_s = number(values[6]), created_at = number(values[7]), held = number(values[8]),
    extra_bytes = number(values[9]), timeout_s = nil, price_s = nil, version = nil, request_id = nil, in_lane = nil,
    attempt = nil, worker = nil, started_at = nil}
  for i = FIRST_NUMBER, LAST_NUMBER do
    local value = values[i]
    if value and value ~= '' then
      job[FIELDS[i]] = number(value)
      if not job[FIELDS[i]] then job.fault = FIELDS[i] end
    end
  end
  for i = LAST_NUMBER + 1, #FIELDS do
    local value = values[i]
    if value and value ~= '' then
      job[FIELDS[i]] = value
      if not is_name(value) then job.fault = 'name' end
    end
  end
  return setmetatable(job, DEFAULTS)
end

local function missing_field(job)
  for i = 2, LAST_OF_EACH do
    if not job[FIELDS[i]] then return FIELDS[i] end
  end
end

-- Return what is wrong with a record, or nil.
local function fault_of(job)
  if not (TERMINAL[job.status] or ACTIVE[job.status]) then return 'status' end
  if job.fault then return job.fault end
  if not (job.tenant and job.task and job.model and job.deadline_at and job.ttl_s and job.created_at) then
    return missing_field(job)
  end
  if not job.timeout_s and ACTIVE[job.status] then return 'timeout_s' end
  if job.before and not job.before:find('^%d+ %d+ ') then return 'before' end
  if (job.attempt + job.version + job.crashes + job.alone + job.progress_total) % 1 > 0 then return 'count' end
  if not LANE_WEIGHTS[job.lane] then return 'lane' end
  if job.weight == 0 then return 'weight' end
  -- Callers decode names, and use them in the names of keys.
  return not is_name(job.tenant .. job.task .. job.model) and 'name' or nil
end

-- Records of older versions: each job has a stream, a suspect runs alone, and who has chosen ttl_s is unknown.
local function adapt_old(job)
  if job.suspect == '1' then job.group = job.group or job.id end
  job.followed, job.keep = '1', '1'
end

local function exists(values)
  for _, value in ipairs(values) do
    if value then return true end
  end
  return false
end

-- Return a job's record without its large fields, or nil if there is none that can be used. Changes go through save().
local function load(id)
  num_calls = num_calls + 1
  local values = redis.pcall('HMGET', job_key(id), unpack(FIELDS))
  if is_of_wrong_type(values) then
    set_aside(id, 'type')
    return nil
  end
  local job = job_of(id, values)
  if not job.status and not exists(values) then return nil end
  local fault = fault_of(job)
  if fault then
    set_aside(id, fault, job.tenant)
    return nil
  end
  if job.suspect then adapt_old(job) end
  return job
end

-- Let those who follow a job, or wait for it, hear of a change.
local function announce(job, event, ...)
  if job.followed and event then append(job, event, ...) end
  wake(job)
end

-- Changes of a record are written and announced here: a new version for ETags, an event for streams, a wake-up.
local function save(job, event, changes, ...)
  job.version = job.version + 1
  local flat, last = {'version', job.version}, 2
  for name, value in pairs(changes) do
    job[name] = value ~= '' and value or nil
    if type(value) == 'number' and value % 1 ~= 0 then value = stamp(value) end
    flat[last + 1], flat[last + 2] = name, value
    last = last + 2
  end
  num_calls = num_calls + 1
  redis.call('HSET', job_key(job.id), unpack(flat))
  announce(job, event, ...)
end

-- Fencing: an attempt owns its job while the job is unfinished and no later attempt was started. The reaper may have taken
-- the job from a worker that was only cut off: then it is queued, and still that worker's until another one starts it.
local function owns(job, attempt)
  if not job or job.attempt ~= tonumber(attempt) then return false end
  return job.status == 'running' or job.status == 'cancelling' or (job.status == 'queued' and job.before ~= nil)
end
