-- The store's clock was set, by more than clocks drift: keep the time of all scripts continuous.
-- ARGV: the offset as the caller has seen it, the step s
-- Returns 1, or 0 if somebody else has corrected it. Many see the same step, and one must correct it.
local offset = redis.call('GET', P .. 'clock') or '0'
if offset ~= ARGV[1] then return 0 end
redis.call('SET', P .. 'clock', stamp(tonumber(offset) - tonumber(ARGV[2])))
return 1
