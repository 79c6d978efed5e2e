-- Has every replica let go of a response.
-- KEYS: cancelled. ARGV: id.
local time = redis.call('TIME')
redis.call('ZADD', KEYS[1], tonumber(time[1]) * 1000000 + tonumber(time[2]), ARGV[1])
redis.call('EXPIRE', KEYS[1], 3600)
return {}
