-- Give back the attempts of a worker that has died. Whoever found it dead knows what it did, from its note.
-- ARGV: max crashes, then id, attempt, in call (1 or 0), preparing (1 or 0), …
-- * The jobs of the model call that ran are blamed, and no others, with one exception: a suspect whose own thread worked on
--   it. Otherwise a text that ends its tokenizer would have others blamed for ever, while calls run.
-- * For the same reason, other jobs that were being prepared become suspects, but count no crash.
-- * Without a call, the jobs that were being prepared are blamed; without these as well, all are.
-- Called again it does nothing, because the jobs are no longer these attempts'. Returns how many were.
local max_crashes = tonumber(ARGV[1])
local held, a_call_ran, some_prepared = {}, false, false
for i = 2, #ARGV, 4 do
  local job = load(ARGV[i])
  if owns(job, ARGV[i + 1]) and job.status ~= 'queued' then
    job.in_call, job.preparing = ARGV[i + 2] == '1', ARGV[i + 3] == '1'
    held[#held + 1] = job
  end
  a_call_ran = a_call_ran or ARGV[i + 2] == '1'
  some_prepared = some_prepared or ARGV[i + 3] == '1'
end

local function is_blamed(job)
  if a_call_ran then return job.in_call or (job.preparing and job.group) end
  return job.preparing or not some_prepared
end

local blamed = {}
for _, job in ipairs(held) do
  if job.status == 'cancelling' then finish(job, 'cancelled')
  elseif is_blamed(job) then blamed[#blamed + 1] = job
  else return_to_queue(job, job.preparing and {group = job.group or job.id .. '.' .. job.attempt} or nil) end
end
blame_each_group(blamed, max_crashes)
return #held
