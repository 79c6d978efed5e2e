-- Keeps a response, unless it is kept already, and gives the one that is.
-- KEYS: the response. ARGV: record, how long it is kept in ms, and the one that it goes on from.
if redis.call('HSETNX', KEYS[1], 'record', ARGV[1]) == 1 then
  if ARGV[3] ~= '' then redis.call('HSET', KEYS[1], 'previous', ARGV[3]) end
  redis.call('PEXPIRE', KEYS[1], ARGV[2])
end
local known = redis.call('HMGET', KEYS[1], 'record', 'outcome', 'charged')
return { known[1], known[2] or '', known[3] or '' }
