-- Give back the attempts of a worker that has died: its heartbeat process outlives it by moments, and knows what it did.
-- ARGV: worker, republish after s, max crashes, then id, attempt, in call (1 or 0), preparing (1 or 0), …
-- * The jobs of the model call that ran are blamed, and no others, with one exception: a suspect whose own thread worked on
--   it. Otherwise a text that ends its tokenizer would have others blamed for ever, while calls run.
-- * For the same reason, other jobs that were being prepared become suspects, but count no crash.
-- * Without a call, the jobs that were being prepared are blamed. Without these as well, the rule of the reaper holds: all
--   are, or the suspect that ran on the worker alone.
-- Called again it does nothing, because the jobs are no longer these attempts'.
local republish_after_s, max_crashes = tonumber(ARGV[2]), tonumber(ARGV[3])
local alone = redis.call('GET', P .. 'alone:' .. ARGV[1])
local a_call_ran, some_prepared = false, false
for i = 4, #ARGV, 4 do
  a_call_ran = a_call_ran or ARGV[i + 2] == '1'
  some_prepared = some_prepared or ARGV[i + 3] == '1'
end

local function is_blamed(id, in_call, preparing)
  if a_call_ran then return in_call or (preparing and id == alone) end
  if alone then return id == alone end
  return preparing or not some_prepared
end

for i = 4, #ARGV, 4 do
  local id, preparing = ARGV[i], ARGV[i + 3] == '1'
  local mine, status = owns(id, ARGV[i + 1])
  if mine then
    leave_worker(id)
    if status == 'cancelling' then finish(id, 'cancelled')
    elseif number(id, 'deadline_at') <= now then finish(id, 'expired')
    elseif is_blamed(id, ARGV[i + 2] == '1', preparing) then count_crash(id, max_crashes, republish_after_s)
    else
      if preparing then redis.call('HSET', job_key(id), 'suspect', 1) end
      enter_queue(id, republish_after_s)
    end
  end
end
