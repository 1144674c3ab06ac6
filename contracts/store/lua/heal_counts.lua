-- Compare counts of a tenant, picked at random, with its records: somebody may have deleted some by hand, or a process of
-- the version before has forgotten some without counting it. ARGV: most records of a tenant, of whom more are not counted.
-- Returns 1 if a count was wrong, else 0.
local name = tonumber(time[2]) % 2 == 0 and 'held' or 'active' -- a tenant may be counted in one of them only
local tenant = call_on('HRANDFIELD', P .. name)
local ids = tenant and call_on('ZRANGE', P .. 'jobs:' .. tenant, 0, ARGV[1])
if not ids or #ids > tonumber(ARGV[1]) then return 0 end

-- Return the bytes that its records hold, and how many of them are unfinished.
local function count(read)
  local num_bytes, num_active = 0, 0
  for _, id in ipairs(ids) do
    local status, held = read(id)
    num_bytes, num_active = num_bytes + (tonumber(held or '') or 0), num_active + (ACTIVE[status] and 1 or 0)
  end
  return num_bytes, num_active
end

local function off_by(read)
  local num_bytes, num_active = count(read)
  local held, active = call_on('HGET', P .. 'held', tenant), call_on('HGET', P .. 'active', tenant)
  return num_bytes - seconds_of(held), num_active - seconds_of(active)
end

-- What is broken is not counted. To find out costs more, so that only who seems to be wrong is looked at like this.
local function read_fields(id)
  local values = call_on('HMGET', job_key(id), 'status', 'held')
  return unpack(values or {})
end
local function read_record(id)
  local job = load(id)
  if job then return job.status, job.held end
end

local bytes_off, active_off = off_by(read_fields)
if bytes_off == 0 and active_off == 0 then return 0 end
bytes_off, active_off = off_by(read_record)
if set_aside_now[1] then return 0 end -- which has corrected the counts already: a later pass looks again
add_step(held_steps, tenant, bytes_off)
add_step(active_steps, tenant, active_off)
return (bytes_off ~= 0 or active_off ~= 0) and 1 or 0
