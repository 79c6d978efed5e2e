-- What a response has come to is known: whoever says so first is right.
-- KEYS: the response. ARGV: outcome, how long it is kept in ms.
if redis.call('EXISTS', KEYS[1]) == 0 then return {} end
redis.call('HSETNX', KEYS[1], 'outcome', ARGV[1])
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return { redis.call('HGET', KEYS[1], 'outcome') }
