-- Forgets a response.
-- KEYS: the response.
return { tostring(redis.call('DEL', KEYS[1])) }
