-- What is wrong with one record, or one key, must not stop the script for all others.

-- Callers decode names, and use them in the names of keys.
local function is_name(text) return text:find('^[ -~]*$') ~= nil end

-- Note the name of what can't be used, and return whether it is a new one. The caller's log gets it once.
local function note_broken(name, fault)
  if redis.call('ZADD', P .. 'broken', 'NX', stamp(now), name) == 0 then return false end
  set_aside_now[#set_aside_now + 1] = {name, fault}
  return true
end

-- A broken record leaves every list, so that nobody looks at it again, and stays where an operator can look at it.
local function set_aside(id, fault, tenant)
  num_calls = num_calls + 3
  local unfinished = redis.call('ZREM', P .. 'due', id) == 1
  set_score('expiring', id, nil)
  set_score('delivered', id, nil)
  if note_broken(id, fault) and tenant and is_name(tenant) then
    if unfinished then add_step(active_steps, tenant, -1) end
    add_step(held_steps, tenant, -(tonumber(redis.call('HGET', job_key(id), 'held') or '') or 0))
  end
end

-- Whether something else is stored in a key. All other errors are no fault of the key: a replica, missing rights, a full
-- disk.
local function is_of_wrong_type(reply)
  if type(reply) ~= 'table' or not reply.err then return false end
  return reply.err:sub(1, 9) == 'WRONGTYPE' or error(reply, 0)
end

-- Call a command on a key of one job, tenant or queue. If something else is stored there, only what the key was for is
-- lost: the reply is nil.
local function call_on(command, key, ...)
  num_calls = num_calls + 1
  local reply = redis.pcall(command, key, ...)
  if not is_of_wrong_type(reply) then return reply end
  note_broken(key, 'type')
  return nil
end
