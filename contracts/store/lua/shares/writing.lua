-- Write what has changed of the shares (shares/flows.lua), a key at once.
local function write_all(command, key, values)
  if values[1] then call_on(command, key, unpack(values)) end
end

-- The list of a flow is the truth. Counts may be wrong where somebody has changed the store by hand.
local function is_over(lane, flow)
  if flow.num_left then return flow.num_left == 0 end
  if flow.num > 0 then return false end
  local num = call_on('ZCARD', P .. flow.list) or 0
  add(lane, 'num', num - flow.num)
  flow.num = num
  return num == 0
end

-- Return the tenants of whom nothing waits any more.
local function write_flows(lane)
  local texts, over, names = {}, {}, {}
  for tenant, flow in pairs(lane.flows) do
    if flow.changed and is_over(lane, flow) then
      over[tenant] = true
      names[#names + 1] = tenant
      add(lane, 'num', -flow.num)
      add(lane, 'work', -flow.backlog)
      add(lane, 'weights', -flow.weight)
    elseif flow.changed then put(texts, tenant, text_of(flow)) end
  end
  write_all('HSET', P .. 'flows:' .. lane.key, texts)
  write_all('HDEL', P .. 'flows:' .. lane.key, names)
  return over, names[1] ~= nil
end

-- Note the scores of tenants that are not known yet, false for none. Who has a start has no end.
local function read_scores(key, tenants, scores, starts)
  local unknown = {}
  for _, tenant in ipairs(tenants) do
    if scores[tenant] == nil and not starts[tenant] then unknown[#unknown + 1] = tenant end
  end
  if not unknown[1] then return end
  for i, score in ipairs(call_on('ZMSCORE', key, unpack(unknown)) or {}) do
    scores[unknown[i]] = score and tonumber(score)
  end
end

-- Return the tenants of whom jobs have come, in their order, and then those that were charged, or of whom nothing waits.
local function tenants_changed(lane, over)
  local changed, joined, given = {}, lane.joined, lane.given
  for i, tenant in ipairs(lane.comers) do changed[i] = tenant end
  for tenant, each in pairs(given) do
    if each.charge and not joined[tenant] then changed[#changed + 1] = tenant end
  end
  for tenant in pairs(over) do
    if not joined[tenant] and not (given[tenant] and given[tenant].charge) then changed[#changed + 1] = tenant end
  end
  return changed
end

-- Where a flow begins that owes nothing: of those that begin at one virtual time, the first one to come is first.
local APART, APART_OF_LARGE = 1e-9, 1 + 4e-16 -- the latter is two steps of a double
local function newcomers_start(lane, virtual)
  local last = figure(lane, 'last')
  local start = last < virtual and virtual or math.max(last + APART, last * APART_OF_LARGE)
  set_figure(lane, 'last', start)
  return start
end

-- Something else is stored where a lane has its flows: none of them would ever be next.
local MAX_FOUND = 500
local function make_anew(lane, tenants, starting)
  local all = {}
  for _, name in ipairs(call_on('HRANDFIELD', P .. 'flows:' .. lane.key, MAX_FOUND) or {}) do
    put(all, figure(lane, 'v'), name)
  end
  for _, value in ipairs(starting) do all[#all + 1] = value end -- the last score of a member counts
  redis.call('UNLINK', tenants)
  redis.call('ZADD', tenants, unpack(all))
end

-- Flows that wait have their start in `tenants`. Of others `tags` has the end of what they were given, as long as that may
-- matter: a flow that wakes begins there, or where the lane is now, so nobody catches up for the time in which he was idle.
local function write_starts(lane, over)
  local changed = tenants_changed(lane, over)
  if not changed[1] then return end
  local tenants, tags = P .. 'tenants:' .. lane.key, P .. 'tags:' .. lane.key
  local starts, ends = lane.starts, lane.ends
  read_scores(tenants, changed, starts, starts)
  read_scores(tags, changed, ends, starts)
  local virtual = figure(lane, 'v')
  local starting, waiting_no_more, ended, forgotten = {}, {}, {}, lane.forgotten or {}
  for _, name in ipairs(changed) do
    local start, charged = starts[name], lane.given[name] and lane.given[name].charge
    local at = start or ends[name] or (charged and virtual - MEMORY_S)
    at = at and at + (charged or 0)
    -- What is given back counts from what the lane has come to meanwhile, or newcomers would wait for all of it.
    if at and charged and charged < 0 then at = math.max(at, virtual - MEMORY_S) end
    if (start or lane.joined[name]) and not over[name] then
      if not start then at = (at or 0) > virtual and at or newcomers_start(lane, virtual) end
      if at ~= start then put(starting, at, name) end
      if ends[name] then put(forgotten, name) end
    else
      if start then put(waiting_no_more, name) end
      if at and at > virtual - MEMORY_S then put(ended, at, name) elseif ends[name] then put(forgotten, name) end
    end
  end
  write_all('ZREM', tags, forgotten)
  write_all('ZADD', tags, ended)
  write_all('ZREM', tenants, waiting_no_more)
  if starting[1] and not call_on('ZADD', tenants, unpack(starting)) then make_anew(lane, tenants, starting) end
end

-- Write what runs of each flow of a lane, and of the lane: work, and weights of flows.
local function write_running(queue, lane)
  local names, tenants, texts, over, num_more, more_s = {}, {}, {}, {}, 0, 0
  for tenant in pairs(lane.given) do
    names[#names + 1], tenants[#tenants + 1] = lane.name .. ' ' .. tenant, tenant
  end
  if not names[1] then return end
  local key, lane_s, weights = P .. 'running:' .. queue, 0, 0
  for i, text in ipairs(call_on('HMGET', key, unpack(names)) or {}) do
    local given = lane.given[tenants[i]]
    local num, work_s, weight, squares = running_in(text)
    num_more, more_s, lane_s, weights = num_more + given.num, more_s + given.work_s, lane_s - work_s, weights - weight
    num = num + given.num
    if num > 0 then
      work_s, squares = math.max(0, work_s + given.work_s), math.max(0, squares + given.squares)
      put(texts, names[i], string.format('%d %.9f %.17g %.9g', num, work_s, given.weight, squares))
      lane_s, weights = lane_s + work_s, weights + given.weight
    else
      over[#over + 1] = names[i]
    end
  end
  add(lane, 'running', lane_s)
  add(lane, 'running_weights', weights)
  add(lane.state, 'running', more_s)
  add(lane.state, 'num_running', num_more)
  write_all('HSET', key, texts)
  write_all('HDEL', key, over)
end

local function write_running_jobs()
  local added, gone = {}, {}
  for id, text in pairs(running_jobs) do
    if text then added[#added + 1], added[#added + 2] = id, text else gone[#gone + 1] = id end
  end
  write_all('HSET', P .. 'running_jobs', added)
  write_all('HDEL', P .. 'running_jobs', gone)
  running_jobs = {}
end

-- With the last flow of a lane, whatever was counted wrong is gone. Returns whether the lane is empty.
local function heal(lane)
  if (call_on('ZCARD', P .. 'tenants:' .. lane.key) or 0) > 0 then return false end
  for _, name in ipairs({'num', 'work', 'weights'}) do add(lane, name, -figure(lane, name)) end
  return true
end

local function keys_of_lanes(kind, queue)
  local start = P .. kind .. ':' .. queue .. ':'
  return start .. LANES[1], start .. LANES[2], start .. LANES[3]
end

local function no_flow_waits(queue) return redis.call('EXISTS', keys_of_lanes('tenants', queue)) == 0 end

local function write_figures(queue, state)
  local num, values = figure(state, 'num_running'), {}
  for _, name in ipairs(LANES) do
    local lane = state.lanes[name]
    num = num + (lane and figure(lane, 'num') or figure(state, 'num:' .. name))
  end
  if num <= 0 and no_flow_waits(queue) then -- and nothing runs: nobody owes anybody anything
    return redis.call('UNLINK', P .. 'shares:' .. queue, P .. 'running:' .. queue, keys_of_lanes('tags', queue))
  end
  if figure(state, 'num_running') <= 0 then forget_running(state) end
  for name in pairs(state.changes) do put(values, name, state.numbers[name]) end
  for _, lane in pairs(state.lanes) do
    for name in pairs(lane.changes) do put(values, name .. lane.suffix, lane.numbers[name]) end
  end
  write_all('HSET', P .. 'shares:' .. queue, values)
end

local function any_changed(state)
  if next(state.changes) then return true end
  for _, lane in pairs(state.lanes) do
    if next(lane.changes) then return true end
  end
  return false
end

local function write_shares()
  for queue, state in pairs(states) do
    for _, lane in pairs(state.lanes) do
      local over, any_over = write_flows(lane)
      write_starts(lane, over)
      if any_over then heal(lane) end
      write_running(queue, lane)
      local model = queue:sub(10) -- after 'triptych.'
      add_step(served_steps, model .. '|' .. lane.name, math.floor(lane.served_s * 1e6 + 0.5))
    end
    if any_changed(state) then write_figures(queue, state) end
  end
  states = {}
  write_running_jobs()
end
