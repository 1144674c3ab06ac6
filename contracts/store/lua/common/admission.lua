-- When a new job would be done, and whether it, and those that wait already, would be done in time. Only submits have this.
-- Part of the time that a job has, so that it is in time even if others come, or if it takes longer than was thought.
local MARGIN = 0.9
local MAX_LOOKED_AT = 16 -- flows that a new job must not make late: those that are next, and those that were given most

-- Return the work that the lane starts until it has started this much of a flow. Meanwhile the others have their shares, and
-- first what the flow is ahead of them, in work / weight.
local function work_until(own_s, weight, ahead, all_s, all_weights)
  return own_s + math.max(0, math.min(all_s - own_s, (own_s / weight + ahead) * (all_weights - weight)))
end

-- By how much a flow is ahead of the lane, in work / weight.
local function ahead_of(lane, tenant)
  local start = call_on('ZSCORE', P .. 'tenants:' .. lane.key, tenant) or call_on('ZSCORE', P .. 'tags:' .. lane.key, tenant)
  return start and math.max(0, tonumber(start) - figure(lane, 'v')) or 0
end

-- Return what a new job finds: its lane, its flow, and all work and weights of the lane once it has entered.
local function entry_of(job)
  local lane = lane_of(job)
  local flow = flow_of(lane, job.tenant)
  local others_s = math.max(0, figure(lane, 'work') - flow.backlog)
  local own_s = flow.backlog + job.price_s
  return {lane = lane, flow = flow, others_s = others_s, own_s = own_s, all_s = others_s + own_s,
    all_weights = math.max(0, figure(lane, 'weights') - flow.weight) + job.weight,
    ahead = others_s > 0 and ahead_of(lane, job.tenant) or 0}
end

-- Return jobs and work that will probably be started before a new job (contracts/store/places.py).
local function place_of(job, entry)
  local before_s = work_until(entry.own_s, job.weight, entry.ahead, entry.all_s, entry.all_weights) - job.price_s
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

-- Return by how many seconds others would be late because of a new job; 0 if none would.
local function lateness_of_others(job, entry, lane_rate, running_s)
  if entry.others_s <= 0 then return 0 end
  local names, most_s = looked_at(entry.lane), 0
  local texts = names[1] and call_on('HMGET', P .. 'flows:' .. entry.lane.key, unpack(names)) or {}
  for i, text in ipairs(texts) do
    local backlog, weight, last_deadline = (text or ''):match('^(%d%S*) (%d%S*) (%d%S*) ')
    if backlog and names[i] ~= job.tenant then
      local left_s = last_deadline - now - running_s
      local after = work_until(tonumber(backlog), tonumber(weight), 0, entry.all_s, entry.all_weights) / lane_rate
      if after > left_s then
        local before_s, before_weights = entry.all_s - job.price_s, figure(entry.lane, 'weights')
        local before = work_until(tonumber(backlog), tonumber(weight), 0, before_s, before_weights) / lane_rate
        -- One that is late already is no reason to refuse what comes.
        if before <= left_s then most_s = math.max(most_s, after - left_s) end
      end
    end
  end
  return most_s
end

-- Return nil if a new job would be done in time and make nobody late; 'unreachable' if it takes too long by itself; else in
-- how many seconds it would fit. Rates are work-seconds a second: of its lane, of all workers, of one; 0 if not known.
local function lateness(job, entry, deadline_s, lane_rate, capacity, of_one)
  if job.price_s <= 0 or lane_rate <= 0 or capacity <= 0 then return nil end
  if job.price_s > MARGIN * deadline_s * (of_one > 0 and of_one or capacity) then return 'unreachable' end
  local running_s = entry.lane.state.figures.running / capacity
  local done_s = work_until(entry.own_s, job.weight, entry.ahead, entry.all_s, entry.all_weights) / lane_rate + running_s
  local late_s = math.max(done_s - MARGIN * deadline_s, lateness_of_others(job, entry, lane_rate, running_s))
  return late_s > 0 and late_s or nil
end
