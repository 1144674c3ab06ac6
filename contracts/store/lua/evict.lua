-- The memory is nearly full: forget delivered answers, the oldest first. ARGV: how many at most. Returns how many.
local ids = redis.call('ZRANGE', P .. 'delivered', 0, tonumber(ARGV[1]) - 1)
for _, id in ipairs(ids) do
  local job = load(id)
  if job then purge(job) else set_score('delivered', id, nil) end
end
return #ids
