-- Note that clients have the answers of jobs: those whose time nobody has chosen are kept for a short while only.
-- ARGV: how long s, then ids
for i = 2, #ARGV do
  local job = load(ARGV[i])
  if job and TERMINAL[job.status] and not job.keep and job.completed_at then
    -- Not below 0: the clock may have been ahead when the job ended. Since it was corrected, that is a time to come.
    local ttl_s = math.max(0, now + tonumber(ARGV[1]) - job.completed_at)
    if ttl_s < job.ttl_s then
      redis.call('HSET', job_key(job.id), 'ttl_s', stamp(ttl_s))
      set_score('expiring', job.id, job.completed_at + ttl_s)
    end
    redis.call('HSET', job_key(job.id), 'held', hold(job, 0)) -- the store takes its room back whenever it needs it
    set_score('delivered', job.id, now)
  end
end
return 1
