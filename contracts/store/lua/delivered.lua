-- Note that clients have the answers of jobs: those whose time nobody has chosen are kept for a short while only. A
-- record of an older version, which has the field 'suspect', does not say whether its time was chosen.
-- ARGV: how long s, then ids
for i = 2, #ARGV do
  local job = load(ARGV[i])
  if job and TERMINAL[job.status] and not job.keep and redis.call('HEXISTS', job_key(job.id), 'suspect') == 0
    and redis.call('ZADD', P .. 'delivered', 'NX', stamp(now), job.id) == 1 then
    local expires_at = now + tonumber(ARGV[1])
    if tonumber(redis.call('ZSCORE', P .. 'expiring', job.id) or 0) > expires_at then
      redis.call('ZADD', P .. 'expiring', stamp(expires_at), job.id)
      redis.call('HSET', job_key(job.id), 'expires_at', stamp(expires_at))
    end
  end
end
return 1
