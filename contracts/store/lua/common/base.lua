-- Before every script of the job store: the clock, the names of keys, and what a call writes at its end (flush.lua).
-- Key names and their meaning: contracts/store/keys.py. Times are the store's own, corrected for steps of its clock
-- (clock.lua), so the clocks of clients don't matter.
local P = 'triptych:'
local tonumber, pairs, ipairs, redis = tonumber, pairs, ipairs, redis -- are found sooner than if they were global
local time = redis.call('TIME')
local offset, reaped_at = unpack(redis.call('MGET', P .. 'clock', P .. 'reaped_at'))
-- Whatever else somebody has written there counts as 0, and reapers correct it as a step.
local function seconds_of(text)
  local seconds = text and tonumber(text)
  return seconds and seconds - seconds == 0 and seconds or 0 -- that is not 0 of NaN, or of what has no end
end
local clock = tonumber(time[1]) + tonumber(time[2]) / 1e6 + seconds_of(offset)
-- If the store's clock was set back, time stands still until a reaper has corrected it.
local now = math.max(clock, seconds_of(reaped_at))
local TERMINAL = {succeeded = true, failed = true, cancelled = true, expired = true}
local ACTIVE = {queued = true, running = true, cancelling = true}

-- Lua itself writes numbers with 14 digits, which cuts a Unix time to 0.1 ms. Most times of a call are equal.
local stamped, as_stamp
local function stamp(seconds)
  if seconds ~= stamped then stamped, as_stamp = seconds, string.format('%.6f', seconds) end
  return as_stamp
end
local function job_key(id) return P .. 'job:' .. id end

-- Commands that were called for single jobs: the store serves nobody else meanwhile, so turns stop in time.
local num_calls = 0

-- However many jobs change, the call writes this once: a sorted set, a channel, a tenant, a model.
local scores, wake_ups, active_steps, finished_steps, served_steps = {}, {}, {}, {}, {}
-- Queues to which a message may have to be pushed: 'waits' where jobs wait for sure, 'may wait', or 'may be empty' where
-- nobody needs to look. And those to whose second list one is pushed, for newcomers.
local to_wake, newcomers = {}, {}
-- What the log says of this call: jobs that it has ended, and records that it has set aside.
local ended, set_aside_now = {}, {}

-- What parts of the scripts write at the end of the call, once for all that has changed.
local at_end = {}

local function put(list, first, second)
  local num = #list
  list[num + 1], list[num + 2] = first, second
end

local function add_step(steps, key, step) steps[key] = (steps[key] or 0) + step end

-- Values of hashes that this call has read, by the name of the hash: add_to_hash need not read them again.
local known = {active = {}, held = {}}

-- Return values of a hash. If something else is stored there it goes: heal_counts finds counts of tenants again.
local function values_in(name, fields)
  local values = redis.pcall('HMGET', P .. name, unpack(fields))
  if not values.err then return values end
  if values.err:sub(1, 9) ~= 'WRONGTYPE' then error(values, 0) end
  redis.call('UNLINK', P .. name)
  return {}
end

-- Add steps to the numbers in a hash. Those that reach 0 go.
local function add_to_hash(name, steps)
  local fields, flat, gone, values = {}, {}, {}, known[name] or {}
  for field, step in pairs(steps) do
    if step ~= 0 then fields[#fields + 1] = field end
  end
  if not fields[1] then return end
  if not fields[2] and values[fields[1]] == nil then -- what is stored there may be no number: then as below
    local sum = redis.pcall('HINCRBY', P .. name, fields[1], string.format('%.0f', steps[fields[1]]))
    if type(sum) == 'number' then return sum <= 0 and redis.call('HDEL', P .. name, fields[1]) end
  end
  if values[fields[1]] == nil or fields[2] then
    for i, value in ipairs(values_in(name, fields)) do values[fields[i]] = value end
  end
  for _, field in ipairs(fields) do
    local sum = seconds_of(values[field]) + steps[field]
    if sum > 0 then put(flat, field, math.floor(sum + 0.5))
    else gone[#gone + 1] = field end
  end
  if flat[1] then redis.call('HSET', P .. name, unpack(flat)) end
  if gone[1] then redis.call('HDEL', P .. name, unpack(gone)) end
end

-- Give a member of a sorted set another score; nil takes it out. The set itself changes at the end of the call.
local function set_score(name, member, score)
  scores[name] = scores[name] or {}
  scores[name][member] = score or false
end
