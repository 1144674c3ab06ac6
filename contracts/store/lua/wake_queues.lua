-- Push a message to each queue in which jobs wait and none is out: it was lost with whoever took it.
-- ARGV: queue, … or none for all that are known. Returns how many were pushed.
local num_pushed = 0
for _, queue in ipairs(#ARGV > 0 and ARGV or redis.call('SMEMBERS', P .. 'queues')) do
  if (call_on('ZCARD', P .. 'waiting:' .. queue) or 0) > 0 then num_pushed = num_pushed + push_message(queue)
  else redis.call('SREM', P .. 'queues', queue) end
end
return num_pushed
