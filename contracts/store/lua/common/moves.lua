-- What happens to a job: it goes back to its queue, it ends, it is forgotten.

-- A job goes back to its queue, because its worker leaves or has died. It keeps its place, and its tenant pays nothing.
local function return_to_queue(job, changes)
  changes = changes or {}
  end_share(job, 0)
  job.group = changes.group or job.group
  enter_queue(job, true)
  changes.status, changes.queued_at, changes.mark_s = 'queued', now, job.mark_s
  save(job, 'queued', changes)
end

-- The reaper has taken a job from a worker that lives after all, and that nobody else has started since. The worker keeps
-- it, and nobody is to blame: the record is as it was before.
local function resume(job)
  if job.status ~= 'queued' then return end
  leave_queue(job)
  local crashes, alone, group = job.before:match('^(%d+) (%d+) (.*)$')
  -- Without an event: for a stream, the attempt has gone on all the time.
  save(job, nil, {status = 'running', crashes = tonumber(crashes), alone = tonumber(alone), group = group, before = ''})
  begin_share(job)
end

-- What only a run needs is dropped, because nobody will run the job again. `consumed` is what the worker has counted, work
-- in seconds first (0 if it does not know).
local function finish(job, status, changes, consumed)
  changes = changes or {}
  if job.status == 'queued' then leave_queue(job)
  else
    changes.work_s = consumed and consumed[1] > 0 and consumed[1] or nil
    end_share(job, changes.work_s)
  end
  local rest = RECORD_BYTES + job.extra_bytes
  local bytes_in = job.held and math.max(0, job.held - rest) or 0
  changes.status, changes.completed_at, changes.held = status, now, hold(job, rest + #(changes.output or ''))
  save(job, status, changes)
  num_calls = num_calls + (job.idem and 2 or 1)
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
  forgotten_of[job.tenant] = true
  redis.call('UNLINK', job_key(job.id), P .. 'events:' .. job.id)
end
