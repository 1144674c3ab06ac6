-- Give back the attempts of a worker that has died. Whoever found it dead knows what it did, from its note.
-- ARGV: worker, max crashes, then id, attempt, verdict, … (contracts/store/blame.py says which):
-- * 'blamed': the job runs again as a suspect
-- * 'prepared': so does this one, but only one that is a suspect already is charged with a crash
-- * 'innocent': the job goes back to its queue
-- Without jobs, it gives back those that the worker's last turn has started: the reply was lost, or had just arrived.
-- Returns {jobs that were given back, those that are charged with the death, and those of these that were suspects}.
-- Called again it does nothing, because the jobs are no longer these attempts'.
local blamed, num_returned, num_suspects = {}, 0, 0
local function give_back(id, attempt, verdict)
  local job = load(id)
  if owns(job, attempt) then
    num_returned = num_returned + 1
    resume(job) -- the reaper may have blamed it, as it knows no better
    if job.status == 'cancelling' then finish(job, 'cancelled')
    elseif verdict == 'blamed' or (verdict == 'prepared' and job.group) then
      blamed[#blamed + 1] = job
      num_suspects = num_suspects + (job.group and 1 or 0)
    else return_to_queue(job, verdict == 'prepared' and {group = job.id} or nil) end
  end
end

for i = 3, #ARGV, 3 do give_back(ARGV[i], ARGV[i + 1], ARGV[i + 2]) end
if #ARGV == 2 then
  local last_turn = redis.call('GET', P .. 'turn:' .. ARGV[1]) or ''
  for id, attempt in last_turn:gmatch(' ([^ :]+):(%d+)') do give_back(id, attempt, 'innocent') end
end
blame(blamed, tonumber(ARGV[2]), false)
return {num_returned, #blamed, num_suspects}
