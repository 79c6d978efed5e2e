-- A kept response, which is as good as new when it is asked for.
-- KEYS: the response. ARGV: how long it is kept in ms, the same for one that has not come to an end.
local known = redis.call('HMGET', KEYS[1], 'record', 'outcome', 'charged')
if not known[1] then return {} end
redis.call('PEXPIRE', KEYS[1], known[2] and ARGV[1] or ARGV[2])
return { known[1], known[2] or '', known[3] or '' }
