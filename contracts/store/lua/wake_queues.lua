-- Push a message to each queue in which jobs wait and none is out: it was lost with whoever took it. Where no job waits,
-- forget the queue. ARGV: queue, … Returns how many were pushed.
for _, queue in ipairs(ARGV) do
  to_wake[queue] = (call_on('ZCARD', P .. 'waiting:' .. queue) or 0) > 0
  if not to_wake[queue] then redis.call('SREM', P .. 'queues', queue) end
end
return push_messages()
