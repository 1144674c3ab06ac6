-- Give attempts back to the queue without blame, because their worker leaves. ARGV: id, attempt, …
-- Called again it does nothing: the jobs are queued.
for i = 1, #ARGV, 2 do
  local job = load(ARGV[i])
  if owns(job, ARGV[i + 1]) then
    resume(job)
    if job.status == 'cancelling' then finish(job, 'cancelled') else return_to_queue(job) end
  end
end
return 1
