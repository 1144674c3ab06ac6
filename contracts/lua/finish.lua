-- Set the terminal state if, and only if, this attempt still owns the job. A job that is being cancelled ends
-- cancelled, whatever the worker brings. ARGV: id, attempt, status, then field, value, …   Returns 1, or 0 when fenced.
local id = ARGV[1]
local mine, status = owns(id, ARGV[2])
if not mine then return 0 end
local alone = P .. 'alone:' .. get(id, 'worker')
if redis.call('GET', alone) == id then redis.call('DEL', alone) end
if status == 'cancelling' then finish(id, 'cancelled') else finish(id, ARGV[3], unpack(ARGV, 4)) end
return 1
