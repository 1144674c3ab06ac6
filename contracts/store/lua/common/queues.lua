-- Jobs enter queues and leave them.
local function queue_of(job) return 'triptych.' .. job.model .. (job.group and '.suspect' or '') end

-- When the reaper must check this job: at its deadline, and before that at the end of its lease.
local function schedule_check(job, lease_s)
  set_score('due', job.id, math.min(lease_s and now + lease_s or job.deadline_at, job.deadline_at))
end

-- Suspects of a group run together. One that runs alone is its own group, and needs no set.
local function in_set(job) return job.group and job.group ~= job.id end

local function enter_queue(job)
  local queue = queue_of(job)
  if in_set(job) then call_on('SADD', P .. 'group:' .. job.group, job.id) end
  set_score('waiting:' .. queue, job.id, now)
  schedule_check(job)
  to_wake[queue] = true
end

-- Take a queued job out of its queue.
local function leave_queue(job)
  set_score('waiting:' .. queue_of(job), job.id, nil)
  if in_set(job) then call_on('SREM', P .. 'group:' .. job.group, job.id) end
end
