-- Push a message to each queue in which jobs wait and none is out: it was lost with whoever took it. Where no job waits,
-- forget the queue. ARGV: queue, … Returns how many were pushed.
local untaken = {}
for _, queue in ipairs(ARGV) do
  local has_message = redis.call('EXISTS', queue) == 1
  if not any_waits(queue) then
    redis.call('SREM', P .. 'queues', queue)
    to_wake[queue] = 'may be empty'
  -- One that is out for newcomers is taken by whoever has room for any job, too.
  elseif has_message or redis.call('EXISTS', queue .. ':new') == 0 then to_wake[queue] = 'waits' end
  if has_message and queue:sub(-8) ~= '.suspect' then untaken[#untaken + 1] = queue end
end
local num_pushed = push_messages()
-- Nobody has room for any job there. So a message for newcomers that was lost would not be missed by anybody.
for _, queue in ipairs(untaken) do
  if redis.call('EXISTS', queue) == 1 then newcomers[queue] = true end
end
return num_pushed
