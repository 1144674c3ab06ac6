-- When a new job would be done, and whether it, and those that wait already, would be done in time. Only submits have this.
-- Part of the time that a job has, so that it is in time even if others come, or if it takes longer than was thought.
local MARGIN = 0.9
local MAX_SENDERS = 8 -- of those who wait, how many are taken for tenants who go on, though none of them did before
local LEFT = 0.7 -- of what runs, the part that a job waits for at least; contracts/store/queues/places.py says why
local OVERTAKING = 2 -- of workers/runtime/sharing/line.py
local MAX_BESIDE = 15 -- jobs that a job shares its worker with at most
local MAX_LOOKED_AT = 16 -- flows that a new job must not make late: those that are next, and those that were given most

-- Return the part of its lane that a flow can count on, if all goes on as it did of late: what the others have left, or its
-- share among them if that is more. `usual` is what the lane was used, of 1, and the weights of those whose shares were used;
-- 0 if not known.
local function usual_share(weight, usual)
  local part = weight / math.max(weight, usual.weights + (usual.is_new and weight or 0))
  return usual.is_new and math.max(part, 1 - usual.used) or 1 - usual.used * (1 - part)
end

-- Return the work that the lane starts until it has started this much of a flow. Meanwhile the others have their shares, and
-- first what the flow is ahead of them, in work / weight: as far as their jobs wait now, or as they had them of late.
local function work_until(own_s, weight, ahead, all)
  local others_s = math.min(all.work_s - own_s, (own_s / weight + ahead) * (all.weights - weight))
  return own_s + math.max(0, others_s, (own_s + ahead * weight) * (1 / usual_share(weight, all.usual) - 1))
end

-- Return a flow's score in one of the sets of its lane, false if it has none; `scores` has those that are known.
local function score_of(lane, set, tenant, scores)
  if scores[tenant] == nil then scores[tenant] = tonumber(call_on('ZSCORE', P .. set .. lane.key, tenant) or '') or false end
  return scores[tenant]
end

-- By how much a flow is ahead of the lane, in work / weight.
local function ahead_of(lane, tenant)
  local start = score_of(lane, 'tenants:', tenant, lane.starts) or score_of(lane, 'tags:', tenant, lane.ends)
  return start and math.max(0, start - figure(lane, 'v')) or 0
end

-- Whether nothing of a flow was started of late.
local function is_new_in(lane, flow, running, tenant)
  if flow.num > 0 then return flow.entered - flow.backlog < LEAST_CHARGE_S and running.num <= 0 end
  return running.num <= 0 and not score_of(lane, 'tags:', tenant, lane.ends)
end

-- Return what a job's flow can count on: what the others had of late is all that the lane has served, unless the flow was
-- among those. Some of those who wait now may have come a moment ago, and go on.
local function usual_for(job, entry, others_weights, usual)
  local is_new = usual.used > 0 and is_new_in(entry.lane, entry.flow, entry.own, job.tenant)
  local waiting = others_weights + (is_new and 0 or job.weight)
  local weights = math.max(usual.weights, math.min(waiting, usual.weights + MAX_SENDERS * job.weight))
  return {used = usual.used, weights = weights, is_new = is_new}
end

-- Return the part of what runs that a job waits for: hardly anything was done yet of jobs that wait in their worker.
local function part_left(state)
  return 1 - (1 - LEFT) * math.min(1, (MAX_BESIDE + 1) / math.max(1, figure(state, 'num_running')))
end

-- Return the work that waits of a lane, and what is left of that which runs.
local function work_in(lane)
  return math.max(0, figure(lane, 'work')), part_left(lane.state) * math.max(0, figure(lane, 'running'))
end

-- Return the weights of others. Most tenants of whom jobs run have others that wait, or none has.
local function others_weights_in(lane, flow, running)
  return math.max(0, figure(lane, 'weights') - flow.weight, figure(lane, 'running_weights') - running.weight)
end

-- Return what a new job finds: its lane, its flow, and all work and weights of the lane before it and once it has entered.
-- What runs is work of flows like what waits: workers share by them as well. A lane in which more than a second's work
-- waits is used to the full, whatever it was of late.
local function entry_of(job, rate, used, weights)
  local lane = lane_of(job)
  local flow, queue = flow_of(lane, job.tenant), 'triptych.' .. job.model
  local own = flow.running or running_from(call_on('HGET', P .. 'running:' .. queue, lane.name .. ' ' .. job.tenant))
  flow.running = own
  local waiting_s, running_s = work_in(lane)
  local entry = {lane = lane, flow = flow, own = own, own_s = flow.backlog + job.price_s,
    own_running_s = part_left(lane.state) * own.work_s, others_s = math.max(0, waiting_s - flow.backlog)}
  local others_running_s = math.max(0, running_s - entry.own_running_s)
  local others_weights = others_weights_in(lane, flow, own)
  if rate > 0 and waiting_s > rate then used = 1 end
  local usual = {used = used, weights = weights}
  local others_in_all_s = entry.others_s + others_running_s
  local own_before_s = flow.backlog + entry.own_running_s
  -- What it was given and has not done yet is ahead as far as that runs, also of those who come only now, and else what it
  -- is ahead of the others.
  entry.ahead = math.max(others_in_all_s > 0 and ahead_of(lane, job.tenant) or 0, entry.own_running_s / job.weight)
  entry.before = {work_s = others_in_all_s + own_before_s, weights = others_weights + math.max(flow.weight, own.weight),
    usual = usual}
  entry.after = {work_s = entry.before.work_s + job.price_s, weights = others_weights + job.weight, usual = usual}
  local for_job = usual_for(job, entry, others_weights, usual)
  entry.waiting = {work_s = entry.others_s + entry.own_s, weights = others_weights + job.weight, usual = for_job}
  entry.all = {work_s = others_in_all_s + entry.own_s, weights = others_weights + job.weight, usual = for_job}
  return entry
end

-- Return what of the jobs of its flow that run is before a job. If none waits, it overtakes the last one in the worker if it
-- is small beside that; how large that is, is known of the mean over work only.
local function own_before(job, entry)
  local own = entry.own
  if entry.flow.num > 0 or own.work_s <= 0 then return entry.own_running_s end
  return math.min(entry.own_running_s, math.max(0, own.work_s - own.squares / own.work_s) + OVERTAKING * job.price_s)
end

-- Return the work that the lane starts until it has started a new job, and what is done meanwhile of that which runs.
local function work_for(job, entry)
  if not entry.until_s then
    entry.until_s = work_until(entry.own_s, job.weight, entry.ahead, entry.waiting)
    local others_running_s = work_until(entry.own_s, job.weight, entry.ahead, entry.all) - entry.until_s
    entry.running_s = own_before(job, entry) + others_running_s
  end
  return entry.until_s, entry.running_s
end

-- Return jobs and work that will probably be started before a new job, and the work of those that run that will be done
-- before it (contracts/store/queues/places.py).
local function place_of(job, entry)
  local until_s, running_s = work_for(job, entry)
  local before_s = until_s - job.price_s
  local part = entry.others_s > 0 and math.min(1, (before_s - entry.flow.backlog) / entry.others_s) or 1
  local num_others = math.max(0, figure(entry.lane, 'num') - entry.flow.num)
  return entry.flow.num + math.floor(num_others * part + 0.5), before_s, running_s
end

-- Return the names of flows that are looked at, and whether those are all of the lane.
local function looked_at(lane)
  local names, seen = {}, {}
  local function see(name)
    if not seen[name] then names[#names + 1] = name end
    seen[name] = true
  end
  for _, range in ipairs({{0, MAX_LOOKED_AT / 2 - 1}, {-MAX_LOOKED_AT / 2, -1}}) do
    for _, name in ipairs(call_on('ZRANGE', P .. 'tenants:' .. lane.key, unpack(range)) or {}) do see(name) end
  end
  local are_all = #names < MAX_LOOKED_AT
  for _, name in ipairs(lane.comers) do see(name) end -- of this call, which are not written yet
  return names, are_all
end

-- Return flows of a lane by their names.
local function read_flows(lane, names)
  local unknown, flows = {}, {}
  for _, name in ipairs(names) do
    if not lane.flows[name] then unknown[#unknown + 1] = name end
  end
  local texts = unknown[1] and call_on('HMGET', P .. 'flows:' .. lane.key, unpack(unknown)) or {}
  for i, name in ipairs(unknown) do lane.flow_texts[name] = texts[i] or '' end
  for _, name in ipairs(names) do flows[name] = flow_of(lane, name) end
  return flows
end

-- Return the seconds in which a lane does this much work: at the rate that it had of late, and beside what waits and runs in
-- the others, as far as their shares go.
local function seconds_for(others, work_s, rates)
  local all_s = work_s
  for i = 1, #others, 2 do all_s = all_s + math.min(others[i], work_s * others[i + 1]) end
  return math.max(work_s / rates.of_lane, all_s / rates.of_all)
end

-- Return of each other lane in which there is work how much, and its weight by that of the job's lane.
local function work_in_others(lane)
  local found = {}
  for _, name in ipairs(LANES) do
    local waiting_s, running_s = work_in(lane_named(lane.state.queue, name))
    if name ~= lane.name and waiting_s + running_s > 0 then
      found[#found + 1], found[#found + 2] = waiting_s + running_s, LANE_WEIGHTS[name] / LANE_WEIGHTS[lane.name]
    end
  end
  return found
end

-- Whether no flow that has no more than the job's can be late, as none of the lane has its last deadline before all are done:
-- the work that work_until finds for any of them is no more than this.
local function all_are_in_time(job, entry, others, rates)
  local soonest, all = figure(entry.lane, 'soonest'), entry.after
  local most_s = math.max(all.work_s, entry.own_s / job.weight * math.max(all.weights, all.usual.weights))
  return now + seconds_for(others, most_s, rates) <= soonest
end

-- Return by how many seconds others would be late because of a new job; 0 if none would. Of those that have more than the
-- job's flow nobody is asked: they have what the others leave, and they were promised no more than their shares.
local function lateness_of_others(job, entry, others, rates)
  if entry.others_s <= 0 or all_are_in_time(job, entry, others, rates) then return 0 end
  local names, are_all = looked_at(entry.lane)
  local most_s, soonest = 0, job.deadline_at
  for name, flow in pairs(read_flows(entry.lane, names)) do
    local backlog, weight = flow.backlog, flow.weight
    if weight > 0 then soonest = math.min(soonest, flow.last_deadline) end
    if weight > 0 and name ~= job.tenant and backlog / weight <= entry.own_s / job.weight then
      local left_s = flow.last_deadline - now
      local after_s = seconds_for(others, work_until(backlog, weight, 0, entry.after), rates)
      -- One that is late already is no reason to refuse what comes.
      if after_s > left_s and seconds_for(others, work_until(backlog, weight, 0, entry.before), rates) <= left_s then
        most_s = math.max(most_s, after_s - left_s)
      end
    end
  end
  entry.soonest = are_all and soonest or nil
  return most_s
end

-- Return nil if a new job would be done in time and make nobody late; 'unreachable' if it takes longer by itself than until
-- its deadline, or than an attempt may; else in how many seconds it would fit. Rates are work-seconds a second: of its lane,
-- of all workers, of one; 0 if not known.
local function lateness(job, entry, deadline_s, rates)
  if job.price_s <= 0 or rates.of_lane <= 0 or rates.of_all <= 0 then return nil end
  local alone_s = math.max(job.price_s / (rates.of_one > 0 and rates.of_one or rates.of_all), job.least_s)
  if alone_s > MARGIN * math.min(deadline_s, job.timeout_s) then return 'unreachable' end
  local until_s, running_s = work_for(job, entry)
  local others = work_in_others(entry.lane)
  -- Once started, it has to wait for those that run, or shares the worker with them until it has its own work.
  local num_beside = math.min(MAX_BESIDE, figure(entry.lane.state, 'num_running') - 1)
  local run_s = math.max(running_s, job.price_s * num_beside) / rates.of_all
  local work_done_s = seconds_for(others, until_s, rates) + run_s
  local text_done_s = seconds_for(others, until_s - job.price_s, rates) + running_s / rates.of_all + job.least_s
  local done_s = math.max(work_done_s, text_done_s)
  local late_s = math.max(done_s - MARGIN * deadline_s, lateness_of_others(job, entry, others, rates))
  return late_s > 0 and late_s or nil
end
