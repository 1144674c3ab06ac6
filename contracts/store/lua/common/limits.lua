-- Limits of a tenant and its key, for submit.lua. `limits` is what contracts/store/tenants/limits.py sends.
-- What a request costs of a quota may be an estimate, and more than the quota: then all of the quota must be free.
local function meters_of(limits)
  local meters, keys = {}, {}
  for i, entry in ipairs(limits.meters) do keys[i] = P .. 'rate:' .. entry[1] end
  local values = keys[1] and redis.call('MGET', unpack(keys)) or {}
  for i, entry in ipairs(limits.meters) do
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

-- Return why the tenant may not have this job now, or nil.
local function quota_reached(limits, tenant, bytes)
  local active, held = call_on('HGET', P .. 'active', tenant), call_on('HGET', P .. 'held', tenant)
  known.active[tenant], known.held[tenant] = active, held
  if seconds_of(active) >= limits.max_active then return 'too_many_jobs' end
  if seconds_of(held) + bytes > limits.max_bytes then return 'too_many_bytes' end
end
