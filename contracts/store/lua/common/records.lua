-- Reads and writes job records.

-- What is in a field: its text, or nil if there is none.
local function text(value) return value and value ~= '' and value or nil end

-- A number that a field holds, or its default if there is no field. Returns nil for anything else.
local function number(value, default)
  if not value or value == '' then return default end
  value = tonumber(value)
  -- No count is larger, and no time: it is in the year 5138. NaN is neither less nor more than any number.
  return value and value >= 0 and value <= 1e11 and value or nil
end

-- `false` says that a field is not there; each that has a default need not be, because it takes memory in each record. Most of
-- those are not, and a function that is not called costs nothing.
local function job_of(id, v)
  return {id = id, status = v[1], tenant = text(v[2]), task = text(v[3]), model = text(v[4]), deadline_at = number(v[5]),
    ttl_s = number(v[6]), attempt = not v[7] and 0 or number(v[7], 0), version = not v[8] and 1 or number(v[8], 1),
    crashes = not v[9] and 0 or number(v[9], 0), alone = not v[10] and 0 or number(v[10], 0),
    progress_total = not v[11] and 1 or number(v[11], 1), timeout_s = v[12] and number(v[12], false),
    created_at = number(v[13]), queued_at = v[14] and number(v[14], false), started_at = v[15] and number(v[15], false),
    completed_at = v[16] and number(v[16], false), group = v[17] and text(v[17]) or nil, before = v[18] and text(v[18]) or nil,
    worker = v[19] and text(v[19]) or nil, wake = v[20] and text(v[20]) or nil, idem = v[21] and text(v[21]) or nil,
    request_id = v[22] and text(v[22]) or nil, publish_token = v[23] and text(v[23]) or nil, followed = v[24], keep = v[25],
    key = v[26] and text(v[26]) or nil, held = v[27] and number(v[27], 0) or 0, price_s = v[28] and number(v[28], false),
    lane = v[29] and text(v[29]) or 'default', weight = not v[30] and 1 or number(v[30], 1),
    extra_bytes = v[31] and number(v[31], 0) or 0}
end

-- Return the first field that is missing or no number, or nil.
local function missing_field(job)
  for _, name in ipairs({'tenant', 'task', 'model', 'deadline_at', 'ttl_s', 'attempt', 'version', 'crashes', 'alone',
    'progress_total', 'timeout_s', 'created_at', 'queued_at', 'started_at', 'completed_at', 'price_s',
    'weight'}) do
    if job[name] == nil then return name end
  end
end

-- Return what is wrong with a record, or nil.
local function fault_of(job)
  if not (TERMINAL[job.status] or ACTIVE[job.status]) then return 'status' end
  local complete = job.tenant and job.task and job.model and job.deadline_at and job.ttl_s and job.created_at and job.attempt
    and job.version and job.crashes and job.alone and job.progress_total and job.timeout_s ~= nil
    and job.queued_at ~= nil and job.started_at ~= nil and job.completed_at ~= nil
    and job.price_s ~= nil and job.weight
  if not complete then return missing_field(job) end
  if not job.timeout_s and ACTIVE[job.status] then return 'timeout_s' end
  if job.before and not job.before:find('^%d+ %d+ ') then return 'before' end
  if (job.attempt + job.version + job.crashes + job.alone + job.progress_total) % 1 > 0 then return 'count' end
  if not LANE_WEIGHTS[job.lane] then return 'lane' end
  if job.weight == 0 then return 'weight' end
  -- Callers decode names, and use them in the names of keys.
  local names = job.tenant .. job.task .. job.model .. (job.group or '') .. (job.before or '') .. (job.worker or '')
    .. (job.wake or '') .. (job.key or '') .. (job.idem or '') .. (job.request_id or '') .. (job.publish_token or '')
  return not is_name(names) and 'name' or nil
end

-- Records of older versions: each job has a stream, a suspect runs alone, and who has chosen ttl_s is unknown.
local function adapt_old(job, suspect)
  if suspect == '1' then job.group = job.group or job.id end
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
  local values = redis.pcall('HMGET', job_key(id), 'status', 'tenant', 'task', 'model', 'deadline_at', 'ttl_s', 'attempt',
    'version', 'crashes', 'alone', 'progress_total', 'timeout_s', 'created_at', 'queued_at', 'started_at', 'completed_at',
    'group', 'before', 'worker', 'wake', 'idem', 'request_id', 'publish_token', 'followed', 'keep', 'key', 'held',
    'price_s', 'lane', 'weight', 'extra_bytes', 'suspect')
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
  if values[32] then adapt_old(job, values[32]) end
  return job
end

-- Every change of a record is written and announced here: a new version for ETags, an event for streams, a wake-up.
local function save(job, event, changes, ...)
  job.version = job.version + 1
  local flat, last = {'version', job.version}, 2
  for name, value in pairs(changes) do
    job[name] = value ~= '' and value or nil
    if type(value) == 'number' and value % 1 ~= 0 then value = stamp(value) end
    flat[last + 1], flat[last + 2] = name, value
    last = last + 2
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
