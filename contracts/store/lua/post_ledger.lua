-- Post entries of the ledger to the accounts of their tenants, a hash for each day (contracts/store/tenants/usage.py),
-- and correct the meters of rates: these have counted what was estimated.
-- ARGV: most entries. Returns how many are left.
local KEPT_DAYS = 400
local MAX_NAMES = 1000 -- of an account: further keys and models share one
local REST = '|'
local corrections, tenants = {}, {}

local function post(day, tenant, name, counts)
  local key = string.format('%susage:%s:%s', P, day, tenant)
  local known = call_on('HGET', key, name)
  if known == nil then return end -- something else is stored there
  local num_names = known and 1 or redis.call('HLEN', key)
  if num_names >= MAX_NAMES then
    name = REST
    known = redis.call('HGET', key, REST)
  end
  redis.call('HSET', key, name, sum_of(known, counts, NUM_COUNTS))
  if num_names == 0 then redis.call('EXPIRE', key, (KEPT_DAYS + 1) * 86400) end
  tenants[#tenants + 1], tenants[#tenants + 2] = day, tenant
end

local function note_correction(tenant, key_id, counts)
  local refund_us = counts[11] or 0
  local more_us = counts[7] - counts[8] + refund_us
  if more_us == 0 and refund_us == 0 then return end
  local found = {more_s = more_us / 1e6, refund_s = refund_us / 1e6, estimated_s = (counts[12] or 0) / 1e6,
    since = (counts[SINCE] or 0) / 1e6}
  local names = {P .. 'rate:work:tenant:' .. tenant, key_id ~= '' and P .. 'rate:work:key:' .. key_id or nil}
  for _, name in ipairs(names) do
    corrections[name] = corrections[name] or {}
    table.insert(corrections[name], found)
  end
end

-- Return by how much a meter has to count more. It gives back no more than has surely not drained since the first of these
-- jobs has come, or who cancels old ones could use a quota twice.
local function step_of(meter, found)
  local left_s = math.max(0, found.estimated_s - math.max(0, now - found.since) * meter.quota / 60)
  return found.more_s - math.min(found.refund_s, left_s)
end

local function correct_meters()
  local keys = {}
  for key in pairs(corrections) do keys[#keys + 1] = key end
  for i, value in ipairs(keys[1] and redis.call('MGET', unpack(keys)) or {}) do
    local meter = value and meter_from(keys[i], value)
    if meter then
      local used = meter.used
      for _, found in ipairs(corrections[keys[i]]) do used = used + step_of(meter, found) end
      write_meter(meter, math.max(0, used))
    end
  end
end

-- At random, and not by HSCAN: that looks at a part of the table, and finds nothing where this part has been posted.
local posted, pairs_found = {}, call_on('HRANDFIELD', P .. 'ledger', ARGV[1], 'WITHVALUES') or {}
for i = 1, math.min(#pairs_found, 2 * ARGV[1]), 2 do
  local day, tenant, key_id, model = pairs_found[i]:match('^(%d+)|([^|]*)|([^|]*)|(.*)$')
  local counts = {}
  for number in pairs_found[i + 1]:gmatch('%d+') do counts[#counts + 1] = tonumber(number) end
  if day and (#counts == NUM_COUNTS or #counts == NUM_ENTERED) then
    post(day, tenant, key_id .. '|' .. model, counts)
    note_correction(tenant, key_id, counts)
  end
  posted[#posted + 1] = pairs_found[i]
end
if not posted[1] then return 0 end
redis.call('HDEL', P .. 'ledger', unpack(posted)) -- before anything else may fail, or they would be posted again
correct_meters()
if tenants[1] then
  call_on('ZADD', P .. 'usage_tenants', 'GT', unpack(tenants))
  call_on('ZREMRANGEBYSCORE', P .. 'usage_tenants', '-inf', math.floor(now / 86400) - KEPT_DAYS - 1)
end
return call_on('HLEN', P .. 'ledger') or 0
