-- Which job of a queue is started next: of the lane with the least virtual start the flow with the least, of that the
-- oldest. Only turns have this.
local PASSED_OVER = 8 -- flows of a lane of which no job can be started: a turn looks at no more of them
-- Seconds after which a lane counts for one more of its kind. It never counts for more than the next more urgent lane.
local PATIENCE_S = {default = 60, bulk = 3600}
-- A lane pays for a dear job over the next jobs, so that it does not stand still for one tenant's.
local LEAST_PAYMENT_S, PAYMENTS = 1, 8
local NONE = {} -- of the ids of a flow none was read

-- Heads stand in the order of their starts, from `lane.first` on. Let one come to its place, behind those that have as much.
local function enter(lane, head)
  local heads, place = lane.heads, lane.last + 1
  while place > lane.first and heads[place - 1].start > head.start do
    heads[place], place = heads[place - 1], place - 1
  end
  heads[place], lane.last = head, lane.last + 1
end

-- Note what is stored of the flows of these heads, so that none is read by itself.
local function read_flows(lane, heads)
  local names = {}
  for i, head in ipairs(heads) do names[i] = head.tenant end
  local texts = names[1] and call_on('HMGET', P .. 'flows:' .. lane.key, unpack(names)) or {}
  for i, head in ipairs(heads) do head.stored = texts[i] or '' end
end

-- Return a lane of which tenants were found, each with its start: its heads are those that are not in `passed`, which has
-- names of a lane, a space, and a tenant.
local function lane_with_heads(queue, name, found, passed)
  local lane = lane_named(queue, name)
  lane.heads, lane.first, lane.last, lane.start, lane.virtual = {}, 1, 0, figure(lane, 'start'), figure(lane, 'v')
  for i = 1, #found, 2 do
    local tenant, start = found[i], tonumber(found[i + 1])
    if passed and passed[name .. ' ' .. tenant] then lane.has_passed = true
    else
      local given = lane.given[tenant]
      lane.starts[tenant] = start
      enter(lane, {tenant = tenant, start = start + (given and given.charge or 0), ids = NONE, num_met = 0, num_gone = 0,
        is_read = false, stored = ''})
    end
  end
  read_flows(lane, lane.heads)
  return lane
end

-- Return the lanes in which jobs wait, with the flows that have the least starts, as many as may be needed.
local function lanes_with_heads(queue, num_wanted, passed, num_passed)
  local lanes, last = {}, num_wanted + PASSED_OVER + num_passed - 1
  for _, name in ipairs(LANES) do
    local found = call_on('ZRANGE', P .. 'tenants:' .. queue .. ':' .. name, 0, last, 'WITHSCORES')
    if found and found[1] then
      local lane = lane_with_heads(queue, name, found, passed)
      -- Of a flow as many jobs as are its part, and one more that says whether it has more.
      lane.num_each = 1 + math.ceil(num_wanted / math.max(1, lane.last))
      lanes[#lanes + 1] = lane
    end
  end
  return lanes
end

-- Return the lane with the least start, of equal ones the more urgent, and that start; nil if nothing waits.
local function least_lane(lanes)
  local least, least_start
  for i = 1, #lanes do
    local lane = lanes[i]
    if lane.first <= lane.last then
      local start = math.max(figure(lane.state, 'v'), lane.start)
      if not least or start < least_start then least, least_start = lane, start end
    end
  end
  return least, least_start
end

-- Return the next job id of a flow, which has them in this list, the oldest first; or nil.
local function next_id(lane, head, list)
  if head.num_met == #head.ids and not head.is_read then
    local most = head.num_met == 0 and lane.num_each or 32
    local ids = call_on('ZRANGE', P .. list, head.num_met, head.num_met + most - 1) or {}
    if head.num_met == 0 then head.ids = ids else
      for _, id in ipairs(ids) do head.ids[#head.ids + 1] = id end
    end
    head.is_read = #ids < most
  end
  head.num_met = head.num_met + 1
  return head.ids[head.num_met]
end

-- What a lane counts for, if it starts a job that has waited since then.
local function weight_since(name, queued_at)
  local weight, patience_s = LANE_WEIGHTS[name], PATIENCE_S[name]
  if not patience_s or queued_at >= now then return weight end
  local more_urgent = name == 'bulk' and LANE_WEIGHTS.default or LANE_WEIGHTS.interactive
  return math.min(more_urgent, weight * (1 + (now - queued_at) / patience_s))
end

-- Virtual times go on to the starts of what was chosen, and lane and flow stand behind the others for what they were given:
-- the flow is the lane's first head.
local function pay(lane, lane_start, job)
  local head, debt = lane.heads[lane.first], figure(lane, 'debt')
  local payment = debt > 0 and math.max(math.min(debt, LEAST_PAYMENT_S), debt / PAYMENTS) or 0
  lane.start = lane_start + payment / weight_since(lane.name, job.queued_at or job.created_at)
  add(lane, 'debt', -payment)
  set_figure(lane.state, 'v', lane_start)
  if head.start > lane.virtual then lane.virtual = head.start end
  lane.first, head.start = lane.first + 1, head.start + charge_of(job) / job.weight
  enter(lane, head)
end

-- Note the times of a lane that has started jobs. A flow that was given nothing for long is forgotten, a few in each call.
local function end_picking(lane)
  set_figure(lane, 'start', lane.start)
  set_figure(lane, 'v', lane.virtual)
  lane.forgotten = call_on('ZRANGEBYSCORE', P .. 'tags:' .. lane.key, '-inf', stamp(lane.virtual - MEMORY_S), 'LIMIT', 0, 32)
end
