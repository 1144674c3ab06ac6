-- The store's clock was set: keep the time of all scripts continuous.
-- ARGV: the offset that the caller has read ('' for none), the step s
-- Returns 1, or 0 if somebody else has corrected it. Many see the same step, and one must correct it.
if (offset or '') ~= ARGV[1] then return 0 end
redis.call('SET', P .. 'clock', stamp(seconds_of(offset) - tonumber(ARGV[2])))
return 1
