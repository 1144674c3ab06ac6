-- Correct what is counted of lanes in which nothing waits, and of a queue of which nothing runs. Returns whether that was
-- wrong.
local function heal_queue(queue)
  local state, was_wrong = state_of(queue), false
  for _, name in ipairs(LANES) do
    local lane = lane_named(queue, name)
    if math.max(figure(lane, 'num'), figure(lane, 'work'), figure(lane, 'weights')) > 0 and heal(lane) then was_wrong = true end
  end
  if math.max(figure(state, 'running'), figure(state, 'num_running')) > 0
    and redis.call('EXISTS', P .. 'running:' .. queue) == 0 then
    forget_running(state)
    was_wrong = true
  end
  return was_wrong
end
