-- Push a message to each queue in which jobs wait and none is out: it was lost with whoever took it. Where no job waits,
-- forget the queue. ARGV: queue, … Returns how many were pushed.
for _, queue in ipairs(ARGV) do
  if not any_waits(queue) then
    redis.call('SREM', P .. 'queues', queue)
    to_wake[queue] = 'may be empty'
  -- One that is out for newcomers is taken by whoever has room for any job, too.
  elseif redis.call('EXISTS', queue .. '.new') == 0 or redis.call('EXISTS', queue) == 1 then to_wake[queue] = 'waits' end
end
return push_messages()
