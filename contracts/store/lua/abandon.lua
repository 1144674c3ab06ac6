-- Give back the attempts of a worker that has died: its heartbeat process outlives it by moments, and knows whose rows
-- were in the model call. ARGV: worker, republish after s, max crashes, then id, attempt, blamed (1 or 0), …
-- If none is blamed, the rule of the reaper holds: all are, or the suspect that ran on the worker alone.
-- Called again it does nothing, because the jobs are no longer these attempts'.
local republish_after_s, max_crashes = tonumber(ARGV[2]), tonumber(ARGV[3])
local alone = redis.call('GET', P .. 'alone:' .. ARGV[1])
local known = false
for i = 6, #ARGV, 3 do known = known or ARGV[i] == '1' end
for i = 4, #ARGV, 3 do
  local id = ARGV[i]
  local mine, status = owns(id, ARGV[i + 1])
  local blamed = ARGV[i + 2] == '1' or not known and (not alone or alone == id)
  if mine then
    leave_worker(id)
    if status == 'cancelling' then finish(id, 'cancelled')
    elseif number(id, 'deadline_at') <= now then finish(id, 'expired')
    elseif blamed then count_crash(id, max_crashes, republish_after_s)
    else enter_queue(id, republish_after_s) end
  end
end
