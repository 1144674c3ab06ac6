-- Correct what is counted of lanes in which nothing waits, and of a queue of which nothing runs. Returns whether that was
-- wrong.
local function heal_queue(queue)
  local state, was_wrong = state_of(queue), false
  for _, name in ipairs(LANES) do
    local lane = lane_named(queue, name)
    local counts = math.max(figure(lane, 'num'), figure(lane, 'work'), figure(lane, 'weights'))
    -- Flows that have come in this call are not written yet.
    if counts > 0 and not lane.comers[1] and heal(lane) then was_wrong = true end
  end
  if math.max(figure(state, 'running'), figure(state, 'num_running')) > 0
    and redis.call('EXISTS', P .. 'running:' .. queue) == 0 then
    forget_running(state)
    was_wrong = true
  end
  return was_wrong
end
