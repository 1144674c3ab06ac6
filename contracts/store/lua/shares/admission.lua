-- When a new job would be done, and whether it, and those that wait already, would be done in time. Only submits have this.
-- Part of the time that a job has, so that it is in time even if others come, or if it takes longer than was thought.
local MARGIN = 0.9
local MAX_SENDERS = 8 -- of those who wait, how many are taken for tenants who go on, though none of them did before
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
  return own_s + math.max(0, others_s, own_s / usual_share(weight, all.usual) - own_s)
end

-- By how much a flow is ahead of the lane, in work / weight.
local function ahead_of(lane, tenant)
  local start = call_on('ZSCORE', P .. 'tenants:' .. lane.key, tenant) or call_on('ZSCORE', P .. 'tags:' .. lane.key, tenant)
  return start and math.max(0, tonumber(start) - figure(lane, 'v')) or 0
end

-- Return what a job's flow can count on: what the others had of late is all that the lane has served, unless the flow was
-- among those. Some of those who wait now may have come a moment ago, and go on.
local function usual_for(job, flow, others_weights, usual)
  local is_new = flow.num <= 0 or flow.entered - flow.backlog < LEAST_CHARGE_S
  local waiting = others_weights + (is_new and 0 or job.weight)
  local weights = math.max(usual.weights, math.min(waiting, usual.weights + MAX_SENDERS * job.weight))
  return {used = usual.used, weights = weights, is_new = is_new}
end

-- Return what a new job finds: its lane, its flow, and all work and weights of the lane before it and once it has entered.
-- A lane in which more than a second's work waits is used to the full, whatever it was of late.
local function entry_of(job, rate, used, weights)
  local lane = lane_of(job)
  local flow = flow_of(lane, job.tenant)
  local others_s = math.max(0, figure(lane, 'work') - flow.backlog)
  local others_weights = math.max(0, figure(lane, 'weights') - flow.weight)
  local own_s = flow.backlog + job.price_s
  if rate > 0 and figure(lane, 'work') > rate then used = 1 end
  local usual = {used = used, weights = weights}
  return {lane = lane, flow = flow, others_s = others_s, own_s = own_s,
    ahead = others_s > 0 and ahead_of(lane, job.tenant) or 0,
    before = {work_s = others_s + flow.backlog, weights = others_weights + flow.weight, usual = usual},
    after = {work_s = others_s + own_s, weights = others_weights + job.weight, usual = usual},
    for_job = {work_s = others_s + own_s, weights = others_weights + job.weight,
      usual = usual_for(job, flow, others_weights, usual)}}
end

-- Return jobs and work that will probably be started before a new job (contracts/store/places.py).
local function place_of(job, entry)
  local before_s = work_until(entry.own_s, job.weight, entry.ahead, entry.for_job) - job.price_s
  local part = entry.others_s > 0 and (before_s - entry.flow.backlog) / entry.others_s or 1
  local num_others = math.max(0, figure(entry.lane, 'num') - entry.flow.num)
  return entry.flow.num + math.floor(num_others * part + 0.5), before_s
end

local function looked_at(lane)
  local names, seen = {}, {}
  for _, range in ipairs({{0, MAX_LOOKED_AT / 2 - 1}, {-MAX_LOOKED_AT / 2, -1}}) do
    for _, name in ipairs(call_on('ZRANGE', P .. 'tenants:' .. lane.key, unpack(range)) or {}) do
      if not seen[name] then names[#names + 1] = name end
      seen[name] = true
    end
  end
  return names
end

-- Return the seconds in which a lane starts this much work: at the rate that it had of late, and beside what waits in the
-- other lanes, as far as their shares go.
local function seconds_for(lane, work_s, rates)
  local all_s, figures = work_s, lane.state.figures
  for _, name in ipairs(LANES) do
    local share = LANE_WEIGHTS[name] / LANE_WEIGHTS[lane.name]
    if name ~= lane.name then all_s = all_s + math.min(math.max(0, figures['work:' .. name]), work_s * share) end
  end
  return math.max(work_s / rates.of_lane, all_s / rates.of_all)
end

-- Return by how many seconds others would be late because of a new job; 0 if none would.
local function lateness_of_others(job, entry, rates, running_s)
  if entry.others_s <= 0 then return 0 end
  local names, most_s = looked_at(entry.lane), 0
  local texts = names[1] and call_on('HMGET', P .. 'flows:' .. entry.lane.key, unpack(names)) or {}
  for i, text in ipairs(texts) do
    local backlog, weight, last_deadline = (text or ''):match('^(%d%S*) (%d%S*) (%d%S*) ')
    if backlog and names[i] ~= job.tenant then
      local left_s = last_deadline - now - running_s
      local function done_s(all)
        return seconds_for(entry.lane, work_until(tonumber(backlog), tonumber(weight), 0, all), rates)
      end
      local after_s = done_s(entry.after)
      -- One that is late already is no reason to refuse what comes.
      if after_s > left_s and done_s(entry.before) <= left_s then most_s = math.max(most_s, after_s - left_s) end
    end
  end
  return most_s
end

-- Return nil if a new job would be done in time and make nobody late; 'unreachable' if it takes longer by itself than until
-- its deadline, or than an attempt may; else in how many seconds it would fit. Rates are work-seconds a second: of its lane,
-- of all workers, of one; 0 if not known.
local function lateness(job, entry, deadline_s, rates)
  if job.price_s <= 0 or rates.of_lane <= 0 or rates.of_all <= 0 then return nil end
  local alone_s = math.max(job.price_s / (rates.of_one > 0 and rates.of_one or rates.of_all), job.least_s)
  if alone_s > MARGIN * math.min(deadline_s, job.timeout_s) then return 'unreachable' end
  local figures = entry.lane.state.figures
  local running_s = figures.running / rates.of_all
  local until_s = work_until(entry.own_s, job.weight, entry.ahead, entry.for_job)
  -- Once started, it has to wait for those that run, or shares the worker with them until it has its own work.
  local run_s = math.max(running_s, job.price_s * (figures.num_running - 1) / rates.of_all)
  local work_done_s = seconds_for(entry.lane, until_s, rates) + run_s
  local text_done_s = seconds_for(entry.lane, until_s - job.price_s, rates) + running_s + job.least_s
  local done_s = math.max(work_done_s, text_done_s)
  local late_s = math.max(done_s - MARGIN * deadline_s, lateness_of_others(job, entry, rates, running_s))
  return late_s > 0 and late_s or nil
end
