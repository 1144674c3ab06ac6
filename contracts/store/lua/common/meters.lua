-- Meters of rates. Each counts what was used of a quota a minute; what was used drains at the same rate, which is GCRA
-- (ATM Forum, Traffic Management 4.0: the continuous-state leaky bucket). A meter is a text: used, as of when, quota.
-- After its last change it stays as long as a job may take, because the end of a job corrects it.
local METER_TTL_S = 2 * 86400
local MAX_TTL_S = 1e9
local MAX_QUOTA = 1e12 -- no quota is larger, and nothing that is used of one

-- Return a meter as it is now, with the quota that it had at its last change, or nil for a broken one. One that was changed
-- between a step of the store's clock and its correction may be of a time to come, at which it would drain: it counts as
-- empty.
local function meter_from(key, value)
  local used, at, quota = value:match('^(%S+) (%S+) (%S+)$')
  used, at, quota = tonumber(used or ''), tonumber(at or ''), tonumber(quota or '')
  if not (used and at and quota) or at > now + 1 then return nil end
  -- NaN is neither less nor more than any number.
  if not (quota > 0 and quota <= MAX_QUOTA and used >= 0 and used <= MAX_QUOTA) then return nil end
  return {key = key, quota = quota, used = math.max(0, used - (now - at) * quota / 60)}
end

local function write_meter(meter, used)
  local ttl_s = math.min(MAX_TTL_S, math.ceil(METER_TTL_S + used * 60 / meter.quota))
  redis.call('SET', meter.key, string.format('%.17g %s %.17g', used, stamp(now), meter.quota), 'EX', ttl_s)
end
