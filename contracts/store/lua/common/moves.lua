-- What happens to a job: it goes back to its queue, it ends, it is forgotten.

-- A job goes back to its queue, because its worker leaves or has died.
local function return_to_queue(job, changes)
  changes = changes or {}
  changes.status, changes.queued_at = 'queued', now
  save(job, 'queued', changes)
  enter_queue(job)
end

-- The reaper has taken a job from a worker that lives after all, and that nobody else has started since. The worker keeps
-- it, and nobody is to blame: the record is as it was before.
local function resume(job)
  if job.status ~= 'queued' then return end
  leave_queue(job)
  local crashes, alone, group = job.before:match('^(%d+) (%d+) (.*)$')
  -- Without an event: for a stream, the attempt has gone on all the time.
  save(job, nil, {status = 'running', crashes = tonumber(crashes), alone = tonumber(alone), group = group, before = ''})
end

-- What only a run needs is dropped, because nobody will run the job again. `consumed` is what the worker has counted.
local function finish(job, status, changes, consumed)
  if job.status == 'queued' then leave_queue(job) end
  changes = changes or {}
  local bytes_in = job.held and math.max(0, job.held - RECORD_BYTES) or 0
  changes.status, changes.completed_at, changes.held = status, now, hold(job, RECORD_BYTES + #(changes.output or ''))
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
  enter_ledger(job, consumed, bytes_in)
  add_step(finished_steps, job.model .. '|' .. status, 1)
  ended[#ended + 1] = job
end

-- Forget a job that has ended. Large keys are freed by a thread of the store.
local function purge(job)
  set_score('jobs:' .. job.tenant, job.id, nil)
  set_score('expiring', job.id, nil)
  set_score('delivered', job.id, nil)
  hold(job, 0)
  redis.call('UNLINK', job_key(job.id), P .. 'events:' .. job.id)
end
