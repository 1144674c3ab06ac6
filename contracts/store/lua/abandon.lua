-- Give back the attempts of a worker that has died. Whoever found it dead knows what it did, from its note.
-- ARGV: worker, max crashes, then id, attempt, verdict, … (contracts/store/attempts/blame.py says which):
-- * 'blamed': the job is charged with the death, and runs again as a suspect
-- * 'suspected': it becomes a suspect, or stays one, and is charged with nothing
-- * 'innocent': it goes back to its queue
-- Without jobs, it gives back those that the worker's last turn has started: the reply was lost, or had just arrived. A
-- turn that is still on its way will start nothing.
-- Returns {jobs that were given back, those that are charged with the death, and those of these that were suspects}.
-- Called again it does nothing, because the jobs are no longer these attempts'.
local blamed, suspected, num_returned, num_suspects = {}, {}, 0, 0
local function give_back(id, attempt, verdict)
  local job = load(id)
  if owns(job, attempt) then
    num_returned = num_returned + 1
    resume(job) -- the reaper may have blamed it, as it knows no better
    if job.status == 'cancelling' then finish(job, 'cancelled')
    elseif verdict == 'blamed' then
      blamed[#blamed + 1] = job
      num_suspects = num_suspects + (job.group and 1 or 0)
    elseif verdict == 'suspected' and not job.group then suspected[#suspected + 1] = job
    else return_to_queue(job) end
  end
end

for i = 3, #ARGV, 3 do give_back(ARGV[i], ARGV[i + 1], ARGV[i + 2]) end
if #ARGV == 2 then
  local mark = P .. 'turn:' .. ARGV[1]
  local last_turn = redis.call('GET', mark) or ''
  for id, attempt in last_turn:gmatch(' ([^ :]+):(%d+)') do give_back(id, attempt, 'innocent') end
  redis.call('SET', mark, '9007199254740992 0', 'EX', 600) -- higher than the number of any turn
end
blame(blamed, 1, tonumber(ARGV[2]), false)
blame(suspected, 0, tonumber(ARGV[2]), false)
return {num_returned, #blamed, num_suspects}
