-- Bytes that tenants hold in the store: requests of unfinished jobs, and results until their clients have them. What a job
-- holds stands in its record, so the sum over a tenant's records is the tenant's. Records of older versions hold nothing.
local RECORD_BYTES = 1024 -- of a record without its request, its output and its `extra_bytes`, with its places in lists
local held_steps = {}
local forgotten_of = {} -- tenants of whom this call has forgotten jobs

-- The new number of bytes belongs into the record.
local function hold(job, bytes)
  add_step(held_steps, job.tenant, bytes - (job.held or 0))
  job.held = bytes
  return bytes
end

-- Who has no job holds nothing, whatever scripts of older versions have forgotten without counting it.
local function heal_held()
  local none = {}
  for tenant in pairs(forgotten_of) do
    if redis.pcall('ZCARD', P .. 'jobs:' .. tenant) == 0 then none[#none + 1] = tenant end
  end
  if none[1] then redis.pcall('HDEL', P .. 'held', unpack(none)) end
end

at_end[#at_end + 1] = function()
  add_to_hash('held', held_steps)
  heal_held()
end
