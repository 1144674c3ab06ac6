-- Delete a job in any state, and leave a tombstone. An attempt that still runs is fenced: it finds no record. ARGV: id
local id = ARGV[1]
local status = get(id, 'status')
if not status then return 0 end
-- Ending the job first corrects the counts and the queue, and writes the tombstone.
if not TERMINAL[status] then finish(id, 'cancelled') end
local tenant = get(id, 'tenant')
redis.call('ZREM', P .. 'jobs:' .. tenant, id)
redis.call('ZREM', P .. 'expiring', id .. '|' .. tenant)
redis.call('DEL', job_key(id), P .. 'events:' .. id)
redis.call('PUBLISH', P .. 'wake', id)
return 1
