-- Forget a job in whatever state, leaving the mark that it existed. An attempt that still runs is fenced. ARGV: id
local id = ARGV[1]
local status = get(id, 'status')
if not status then return 0 end
if not TERMINAL[status] then finish(id, 'cancelled') end
redis.call('ZREM', P .. 'jobs:' .. get(id, 'tenant'), id)
redis.call('DEL', job_key(id), P .. 'events:' .. id)
redis.call('PUBLISH', P .. 'wake', id)
return 1
