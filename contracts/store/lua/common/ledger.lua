-- The ledger: what jobs have taken, for each tenant, key, model and day. The call that ends a job enters it, so a job
-- counts once however often calls are repeated. The reaper posts entries to the accounts of tenants (post_ledger.lua).
local PLACE_OF_END = {succeeded = 1, failed = 2, cancelled = 3, expired = 4}
local NUM_COUNTS = 10 -- ends, then tokens in and out, microseconds of work and those estimated, bytes in and out
-- Until it is posted an entry also has, of jobs that took less than was estimated, microseconds by which they did, those
-- estimated, and when the first of them has come, in microseconds, too: meters need it.
local NUM_ENTERED, SINCE = 13, 13
local entries, day = {}, string.format('%d|', math.floor(now / 86400))

local AS_TEXT = {[NUM_COUNTS] = string.rep('%.0f ', NUM_COUNTS - 1) .. '%.0f'}
local COUNTS = '^' .. string.rep('(%d*) ?', NUM_ENTERED) -- as many as there are
AS_TEXT[NUM_ENTERED] = AS_TEXT[NUM_COUNTS] .. ' %.0f %.0f %.0f'

-- Of two times the first; 0 is none.
local function first_of(at, other) return at > 0 and other > 0 and math.min(at, other) or at + other end

-- Add so many counts to those that are known as a text, or not at all; return them as a text.
local function sum_of(known, counts, num)
  if not known then return string.format(AS_TEXT[num], unpack(counts, 1, num)) end
  local sums = {known:match(COUNTS)}
  for i = 1, num do
    local sum = tonumber(sums[i]) or 0
    sums[i] = i == SINCE and first_of(sum, counts[i]) or sum + counts[i]
  end
  return string.format(AS_TEXT[num], unpack(sums, 1, num))
end

-- Work-seconds that a job has taken. What its worker did not say is taken to be what was estimated.
local function work_of(job, consumed)
  if consumed and consumed[1] > 0 then return consumed[1] end
  return job.attempt > 0 and job.price_s or 0
end

-- Enter a job that has ended. `consumed`, if its worker has said it: work-seconds (0 if it does not know), tokens in and
-- out, bytes out.
local function enter_ledger(job, consumed, bytes_in)
  local used, name = consumed or {}, day .. job.tenant .. '|' .. (job.key or '') .. '|' .. job.model
  local counts, place = entries[name], PLACE_OF_END[job.status]
  if not counts then
    counts = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}
    entries[name] = counts
  end
  counts[place] = counts[place] + 1
  counts[5], counts[6], counts[10] = counts[5] + (used[2] or 0), counts[6] + (used[3] or 0), counts[10] + (used[4] or 0)
  local work_s, price_s = work_of(job, consumed), job.price_s or 0
  counts[7], counts[8] = counts[7] + work_s * 1e6, counts[8] + price_s * 1e6
  if work_s < price_s then
    counts[11], counts[12] = counts[11] + (price_s - work_s) * 1e6, counts[12] + price_s * 1e6
    counts[13] = first_of(counts[13], job.created_at * 1e6)
  end
  counts[9] = counts[9] + bytes_in
end

at_end[#at_end + 1] = function()
  local names, flat = {}, {}
  for name in pairs(entries) do names[#names + 1] = name end
  if not names[1] then return end
  for i, known in ipairs(call_on('HMGET', P .. 'ledger', unpack(names)) or {}) do
    flat[2 * i - 1], flat[2 * i] = names[i], sum_of(known, entries[names[i]], NUM_ENTERED)
  end
  if flat[1] then redis.call('HSET', P .. 'ledger', unpack(flat)) end
end
