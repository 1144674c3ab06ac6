-- Record how many inputs of a running job are done. ARGV: id, attempt, done
local id = ARGV[1]
if not owns(id, ARGV[2]) then return 0 end
redis.call('HSET', job_key(id), 'progress_done', ARGV[3])
tell(id, 'progress', 'done', ARGV[3], 'total', get(id, 'progress_total'))
return 1
