-- Which job of a queue is started next: of the lane with the least virtual start the flow with the least, of that the
-- oldest. Only turns have this.
local PASSED_OVER = 8 -- flows of a lane of which no job can be started: a turn looks at no more of them
-- Seconds after which a lane counts for one more of its kind. It never counts for more than the next more urgent lane.
local PATIENCE_S = {default = 60, bulk = 3600}
-- A lane pays for a dear job over the next jobs, so that it does not stand still for one tenant's.
local LEAST_PAYMENT_S, PAYMENTS = 1, 8

-- Heads stand in the order of their starts. Let the one at this place go back to its own.
local function move_back(heads, place)
  local head = heads[place]
  while heads[place + 1] and heads[place + 1].start < head.start do
    heads[place], place = heads[place + 1], place + 1
  end
  heads[place] = head
end

-- Return the flows that have the least starts, as many as may be needed, without those in `passed` (lane, a space, tenant).
local function read_heads(lane, num_wanted, passed, num_passed)
  local most = num_wanted + PASSED_OVER + num_passed
  local found = call_on('ZRANGE', P .. 'tenants:' .. lane.key, 0, most - 1, 'WITHSCORES') or {}
  local heads, names = {}, {}
  for i = 1, #found, 2 do
    local tenant = found[i]
    if passed[lane.name .. ' ' .. tenant] then lane.has_passed = true
    else
      names[#names + 1] = tenant
      lane.starts[tenant] = tonumber(found[i + 1])
      heads[#heads + 1] = {tenant = tenant, start = lane.starts[tenant] + (lane.charges[tenant] or 0), ids = {},
        num_met = 0, num_gone = 0}
    end
  end
  if names[1] then
    for i, text in ipairs(call_on('HMGET', P .. 'flows:' .. lane.key, unpack(names)) or {}) do
      lane.flow_texts[names[i]] = text or ''
    end
  end
  if next(lane.charges) then
    for place = #heads, 1, -1 do move_back(heads, place) end
  end
  return heads
end

-- Return the lane with the least start, of equal ones the more urgent, and that start; nil if nothing waits.
local function least_lane(lanes)
  local least, least_start
  for _, lane in ipairs(lanes) do
    local start = lane.heads[1] and math.max(figure(lane.state, 'v'), figure(lane, 'start'))
    if start and (not least or start < least_start) then least, least_start = lane, start end
  end
  return least, least_start
end

-- Return the next job id of a flow, the oldest first, or nil.
local function next_id(lane, head)
  if head.num_met == #head.ids and not head.is_read then
    local most = head.num_met == 0 and 4 or 32
    local list = P .. 'waiting:' .. lane.key .. ':' .. head.tenant
    local ids = call_on('ZRANGE', list, head.num_met, head.num_met + most - 1) or {}
    for _, id in ipairs(ids) do head.ids[#head.ids + 1] = id end
    head.is_read = #ids < most
  end
  head.num_met = head.num_met + 1
  return head.ids[head.num_met]
end

-- Virtual times go on to the starts of what was chosen, and lane and flow stand behind the others for what they were given:
-- the flow is the lane's first head.
local function pay(lane, lane_start, job)
  local name, head = lane.name, lane.heads[1]
  local debt = figure(lane, 'debt')
  local payment = math.max(0, math.min(debt, LEAST_PAYMENT_S), debt / PAYMENTS)
  local weight, patience_s = LANE_WEIGHTS[name], PATIENCE_S[name]
  if patience_s then
    local more_urgent = name == 'bulk' and LANE_WEIGHTS.default or LANE_WEIGHTS.interactive
    weight = math.min(more_urgent, weight * (1 + math.max(0, now - (job.queued_at or job.created_at)) / patience_s))
  end
  set_figure(lane.state, 'v', lane_start)
  set_figure(lane, 'start', lane_start + payment / weight)
  if payment ~= 0 then set_figure(lane, 'debt', debt - payment) end
  set_figure(lane, 'v', math.max(figure(lane, 'v'), head.start))
  head.start = head.start + charge_of(job) / job.weight
  move_back(lane.heads, 1)
end

-- A flow that was given nothing for long is forgotten, a few in each call.
local function forget_flows(lane)
  local limit = stamp(figure(lane, 'v') - MEMORY_S)
  lane.forgotten = call_on('ZRANGEBYSCORE', P .. 'tags:' .. lane.key, '-inf', limit, 'LIMIT', 0, 32)
end
