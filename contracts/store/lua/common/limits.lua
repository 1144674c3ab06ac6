-- Limits of a tenant and its key, for submit.lua. `text` is what contracts/store/tenants/limits.py sends.
-- What a request costs of a quota may be an estimate, and more than the quota: then all of the quota must be free.
local function meters_of(text)
  local meters, keys = {}, {}
  if text == '' then return meters end
  local entries = cjson.decode(text)
  for i, entry in ipairs(entries) do keys[i] = P .. 'rate:' .. entry[1] end
  local values = redis.call('MGET', unpack(keys))
  for i, entry in ipairs(entries) do
    local meter = values[i] and meter_from(keys[i], values[i]) or {key = keys[i], used = 0}
    meter.quota, meter.cost = entry[2], entry[3]
    meters[i] = meter
  end
  return meters
end

-- Whether the request fits now. Sums of fractions are a little off. MeterState.wait_s says how long it takes if not.
local function all_have_room(meters)
  for _, meter in ipairs(meters) do
    if meter.used + math.min(meter.cost, meter.quota) - meter.quota > 1e-9 * meter.quota then return false end
  end
  return true
end

local function charge(meters)
  for _, meter in ipairs(meters) do
    meter.used = meter.used + meter.cost
    write_meter(meter, meter.used)
  end
end

-- What is used of each quota, for the client.
local function used_of(meters)
  local used = {}
  for i, meter in ipairs(meters) do used[i] = string.format('%.17g', meter.used) end
  return table.concat(used, ' ')
end

-- Return a number of a tenant, with what this call adds to it at its end.
local function count_of(name, tenant, steps)
  local counts = known[name]
  if counts[tenant] == nil then counts[tenant] = call_on('HGET', P .. name, tenant) end
  return seconds_of(counts[tenant]) + (steps[tenant] or 0)
end

-- Return why the tenant may not have this job now, or nil.
local function quota_reached(limits, tenant, bytes)
  if count_of('active', tenant, active_steps) >= limits.max_active then return 'too_many_jobs' end
  if count_of('held', tenant, held_steps) + bytes > limits.max_bytes then return 'too_many_bytes' end
end
