-- How many commands the script has called: the store serves nobody else meanwhile.
local num_calls, call, protected_call = 0, redis.call, redis.pcall
local function counted(run)
  return function(...)
    num_calls = num_calls + 1
    return run(...)
  end
end
local redis = setmetatable({call = counted(call), pcall = counted(protected_call)}, {__index = redis})
