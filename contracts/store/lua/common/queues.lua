-- Jobs enter queues and leave them. Which list a job waits in follows from its record: suspects have one of their own, and
-- so have jobs of older versions, which have no price. All others wait in their flow (shares/flows.lua).
local function queue_of(job) return 'triptych.' .. job.model .. (job.group and '.suspect' or '') end
local function in_flow(job) return job.price_s and not job.group end

-- When the reaper must check this job: at its deadline, and before that at the end of its lease.
local function schedule_check(job, lease_s)
  set_score('due', job.id, math.min(lease_s and now + lease_s or job.deadline_at, job.deadline_at))
end

-- Suspects of a group run together. One that runs alone is its own group, and needs no set.
local function in_set(job) return job.group and job.group ~= job.id end

-- The first job of a flow has a message that workers take who have no room for others (push_messages).
local function enter_queue(job, comes_back)
  local queue = queue_of(job)
  if in_set(job) then call_on('SADD', P .. 'group:' .. job.group, job.id) end
  local wakes = to_wake
  if not in_flow(job) then set_score('waiting:' .. queue, job.id, now)
  elseif enter_flow(job, comes_back) then wakes = newcomers end
  wakes[queue] = 'waits'
  schedule_check(job)
end

-- Take a queued job out of its queue.
local function leave_queue(job, is_started)
  if in_flow(job) then return leave_flow(job, is_started) end
  set_score('waiting:' .. queue_of(job), job.id, nil)
  if in_set(job) then call_on('SREM', P .. 'group:' .. job.group, job.id) end
end
