-- Jobs that may have ended their worker run again as suspects, in groups that get smaller until the one at fault is found.

-- Jobs that may share the first model call in which they run as suspects. A poison job is found by halving: after 8, 4, 2
-- and 1 jobs.
local MAX_GROUP = 8

-- A suspect that crashes a worker alone fails in the end: nobody else can have been the reason.
local function blame_one(job, group, charge, max_crashes, keeps)
  local alone = job.alone + (job.group == job.id and charge or 0)
  local changes = {crashes = job.crashes + charge, alone = alone}
  if alone >= max_crashes and charge > 0 then
    changes.error_code = 'worker_lost'
    return finish(job, 'failed', changes)
  end
  changes.group = group
  if keeps then changes.before = job.crashes .. ' ' .. job.alone .. ' ' .. (job.group or '') end
  return_to_queue(job, changes)
end

-- These ran together when a worker died: let them run again in groups of half the size.
local function blame_together(jobs, charge, max_crashes, keeps)
  local size = math.min(MAX_GROUP, math.ceil(#jobs / 2))
  for i, job in ipairs(jobs) do
    local first = jobs[i - (i - 1) % size]
    local is_alone = size == 1 or (first == job and i == #jobs)
    blame_one(job, is_alone and job.id or first.id .. '.' .. first.attempt, charge, max_crashes, keeps)
  end
end

-- Blame jobs of a worker that has died, or seems to: then it keeps them if it comes back before anybody else has started
-- them. Groups never share a model call, so each is halved by itself. The charge is 1 for jobs that are charged with the
-- death, and 0 for those that may be at fault and only run as suspects.
local function blame(jobs, charge, max_crashes, keeps)
  local groups, order = {}, {}
  for _, job in ipairs(jobs) do
    local group = job.group or ''
    if not groups[group] then groups[group], order[#order + 1] = {}, group end
    table.insert(groups[group], job)
  end
  for _, group in ipairs(order) do blame_together(groups[group], charge, max_crashes, keeps) end
end
