-- How tenants share a model: start-time fair queueing (Goyal, Vin, Cheng 1996), in which work is shared and not counts.
-- What a tenant has waiting in one lane of a queue is a flow. It has a virtual start, and each of its jobs that is started
-- moves that on by work / weight: what has the least start is next (shares/picking.lua). Lanes of a queue are chosen
-- likewise.
-- Whatever a call changes here is read once, and written once by the flush.
local LANES = {'interactive', 'default', 'bulk'}
-- Work-seconds (of weight 1) for which a lane remembers what a flow was given more than others.
local MEMORY_S = 10
-- What a job is charged at least, so that jobs whose price is not known are shared by their number.
local LEAST_CHARGE_S = 0.0001
local NO_DEADLINE = 1e11
local states = {}
-- By id: what a job counts as that runs from now on, as a text; false for one that runs no more.
local running_jobs = {}

-- Return a figure of a queue, or of one of its lanes: each is made of its text when it is asked for; 0 if there is none.
local function figure(owner, name)
  local number = owner.numbers[name]
  if not number then
    number = seconds_of(owner.texts[name .. owner.suffix])
    owner.numbers[name] = number
  end
  return number
end

local function set_figure(owner, name, value)
  owner.numbers[name], owner.changes[name] = value, true
end

local function add(owner, name, step)
  if step == 0 then return end
  owner.numbers[name], owner.changes[name] = (owner.numbers[name] or figure(owner, name)) + step, true
end

-- Return what this call knows of a queue: its figures, which of them have changed, and its lanes as far as they matter here.
local function state_of(queue)
  local state = states[queue]
  if state then return state end
  local values, texts = call_on('HGETALL', P .. 'shares:' .. queue) or {}, {}
  for i = 1, #values, 2 do texts[values[i]] = values[i + 1] end
  state = {queue = queue, suffix = '', texts = texts, numbers = {}, changes = {}, lanes = {}}
  states[queue] = state
  return state
end

local function lane_named(queue, name)
  local state = state_of(queue)
  local lane = state.lanes[name]
  if not lane then
    -- By tenant: flows; flow_texts, starts and ends, as they were read (false for none); joined: of whom a job has come, and
    -- comers, who they are, in the order in which they came; given: what it was given by this call.
    lane = {name = name, key = queue .. ':' .. name, state = state, suffix = ':' .. name, texts = state.texts, numbers = {},
      changes = {}, flows = {}, flow_texts = {}, starts = {}, ends = {}, joined = {}, comers = {}, given = {}, served_s = 0}
    state.lanes[name] = lane
  end
  return lane
end

-- Suspects are in no flow while they wait, and their work counts all the same.
local function lane_of(job)
  job.in_lane = job.in_lane or lane_named('triptych.' .. job.model, job.lane)
  return job.in_lane
end

-- A flow as it is stored: work of its jobs, the tenant's weight, the deadline of the job that has entered last; then how
-- many jobs they are, and the work that has entered since nothing has waited.
local function flow_from(text, list)
  local backlog, weight, last_deadline, num, entered = (text or ''):match('^(%d%S*) (%d%S*) (%d%S*) (%d%S*) (%d%S*)$')
  return {backlog = tonumber(backlog) or 0, weight = tonumber(weight) or 0, last_deadline = tonumber(last_deadline) or 0,
    num = tonumber(num) or 0, entered = tonumber(entered) or 0, list = list, changed = false, num_left = false}
end

local function text_of(flow)
  return string.format('%.9f %.17g %.3f %d %.9f', flow.backlog, flow.weight, flow.last_deadline, flow.num, flow.entered)
end

-- Return a flow of a lane; `stored` is its text if that was read.
local function flow_of(lane, tenant, stored)
  local flow = lane.flows[tenant]
  if not flow then
    local text = stored or lane.flow_texts[tenant] or call_on('HGET', P .. 'flows:' .. lane.key, tenant)
    flow = flow_from(text, 'waiting:' .. lane.key .. ':' .. tenant)
    lane.flows[tenant] = flow
  end
  return flow
end

local function resize(lane, flow, num, work_s)
  flow.num, flow.backlog, flow.changed = flow.num + num, math.max(0, flow.backlog + work_s), true
  add(lane, 'num', num)
  add(lane, 'work', work_s)
end

-- Let a job wait in its flow; return whether it is the only one. Its mark says how much had entered before it, so what is
-- ahead of it is known without looking at the others (contracts/store/queues/places.py). A job that comes back is first.
local function enter_flow(job, comes_back)
  local lane = lane_of(job)
  local flow = flow_of(lane, job.tenant)
  local is_first, soonest = flow.num <= 0, figure(lane, 'soonest')
  -- No flow of the lane has a last deadline before this; 0 if that is not known. The first one to wait begins anew.
  if figure(lane, 'num') <= 0 or job.deadline_at < soonest then set_figure(lane, 'soonest', job.deadline_at) end
  if is_first then flow.backlog, flow.entered = 0, 0 end
  if comes_back and not is_first then
    job.mark_s = math.max(0, flow.entered - flow.backlog - job.price_s)
  else
    job.mark_s, flow.entered, flow.last_deadline = flow.entered, flow.entered + job.price_s, job.deadline_at
  end
  resize(lane, flow, 1, job.price_s)
  add(lane, 'weights', job.weight - flow.weight)
  flow.weight = job.weight
  set_score(flow.list, job.id, comes_back and job.created_at or now)
  if not lane.joined[job.tenant] then
    lane.joined[job.tenant], lane.comers[#lane.comers + 1] = true, job.tenant
  end
  return is_first
end

-- Take a job out of its flow. One that is not started has not entered, or those before it would seem to be nearer.
local function leave_flow(job, is_started)
  local lane = lane_of(job)
  local flow = flow_of(lane, job.tenant)
  resize(lane, flow, -1, -job.price_s)
  if not is_started then
    flow.entered = math.max(0, flow.entered - job.price_s)
    -- Those before it have deadlines of their own, which nobody remembers.
    if math.abs(job.deadline_at - flow.last_deadline) < 0.001 then flow.last_deadline = NO_DEADLINE end
  end
  set_score(flow.list, job.id, nil)
end

local function charge_of(job) return job.price_s > LEAST_CHARGE_S and job.price_s or LEAST_CHARGE_S end

-- Return what this call gives to a flow: charge, work / weight (nil if it is not charged), and what runs more or less of it.
local function given_to(lane, tenant)
  local given = lane.given[tenant]
  if not given then
    given = {charge = nil, num = 0, work_s = 0, squares = 0, weight = 0}
    lane.given[tenant] = given
  end
  return given
end

local function charge_flow(job, work_s)
  local lane = lane_of(job)
  local given, debt = given_to(lane, job.tenant), figure(lane, 'debt')
  given.charge = (given.charge or 0) + work_s / job.weight
  lane.served_s = lane.served_s + work_s
  -- A lane that is owed more has the others wait for no more than this.
  if work_s < 0 then work_s = math.max(work_s, math.min(0, -MEMORY_S - debt)) end
  set_figure(lane, 'debt', debt + work_s)
end

local function count_running(job, num)
  local given, price_s = given_to(lane_of(job), job.tenant), job.price_s
  given.num, given.work_s, given.weight = given.num + num, given.work_s + num * price_s, job.weight
  given.squares = given.squares + num * price_s * price_s
  running_jobs[job.id] = num > 0
    and job.model .. '|' .. job.lane .. '|' .. job.tenant .. '|' .. price_s .. '|' .. job.weight
end

local function forget_running(state)
  set_figure(state, 'running', 0)
  set_figure(state, 'num_running', 0)
  for _, name in ipairs(LANES) do
    local lane = lane_named(state.queue, name)
    add(lane, 'running', -figure(lane, 'running'))
    add(lane, 'running_weights', -figure(lane, 'running_weights'))
  end
end

-- What runs of a flow, as it is stored: how many jobs, their prices, the tenant's weight, and the squares of the prices.
local function running_in(text)
  local num, work_s, weight, squares = (text or ''):match('^(%d%S*) (%d%S*) (%d%S*) (%d%S*)$')
  return tonumber(num) or 0, tonumber(work_s) or 0, tonumber(weight) or 0, tonumber(squares) or 0
end

local function running_from(text)
  local num, work_s, weight, squares = running_in(text)
  return {num = num, work_s = work_s, weight = weight, squares = squares}
end

-- A job runs from now on: its tenant pays what it will probably take. Jobs of older versions have no price.
local function begin_share(job)
  if not job.price_s then return end
  charge_flow(job, charge_of(job))
  count_running(job, 1)
end

-- It runs no more: its tenant pays for what it took, or for nothing (0); nil if that is not known.
local function end_share(job, work_s)
  if not job.price_s then return end
  if work_s then charge_flow(job, work_s - charge_of(job)) end
  count_running(job, -1)
end
