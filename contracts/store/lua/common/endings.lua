-- The one way into a terminal state, and what is left of a job then.

-- What only a run needs is dropped, because nobody will run the job again.
local function finish(job, status, changes)
  if job.status == 'queued' then leave_queue(job) end
  changes = changes or {}
  changes.status, changes.completed_at = status, now
  save(job, status, changes)
  redis.call('HDEL', job_key(job.id), 'request', 'timeout_s', 'wake', 'publish_token')
  set_score('due', job.id, nil)
  set_score('expiring', job.id, now + job.ttl_s)
  if job.idem then
    local idem = P .. 'idem:' .. job.tenant .. ':' .. job.idem
    -- It may be gone, and would come back for ever.
    if redis.call('EXISTS', idem) == 1 then call_on('HSET', idem, 'status', status) end
  end
  add_step(active_steps, job.tenant, -1)
  add_step(finished_steps, job.model .. '|' .. status, 1)
  ended[#ended + 1] = job
end

-- Forget a job that has ended. Large keys are freed by a thread of the store.
local function purge(job)
  set_score('jobs:' .. job.tenant, job.id, nil)
  set_score('expiring', job.id, nil)
  set_score('delivered', job.id, nil)
  redis.call('UNLINK', job_key(job.id), P .. 'events:' .. job.id)
end
