-- Record how much of a running job is done: inputs, or parts of them.
-- ARGV: id, attempt, done, total ('' leaves the total as it is)
local id = ARGV[1]
if not owns(id, ARGV[2]) then return 0 end
redis.call('HSET', job_key(id), 'progress_done', ARGV[3])
if ARGV[4] ~= '' then redis.call('HSET', job_key(id), 'progress_total', ARGV[4]) end
emit(id, 'progress', 'done', ARGV[3], 'total', get(id, 'progress_total'))
return 1
