-- A replica says that it lives, and hears who else does.
-- KEYS: beats, secret, cancelled, newcomer, epoch. ARGV: replica, secret, how long a replica lives without a word in us,
-- whether it leaves, whether others have had its secret, an epoch.
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000000 + tonumber(time[2])
local lives = tonumber(ARGV[3])
if ARGV[4] == '1' then
  redis.call('ZREM', KEYS[1], ARGV[1])
  return {}
end
-- Where the clock was turned back, whoever died before that would live until it has caught up.
for _, replica in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '(' .. string.format('%.0f', now), '+inf')) do
  redis.call('ZADD', KEYS[1], now, replica)
end
redis.call('ZADD', KEYS[1], now, ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - lives)
local secret, is_old = redis.call('GET', KEYS[2]), ARGV[5] == '1'
-- In a Redis that was emptied, a newcomer's secret may come first. Those who were there have rows that only theirs finds.
local function is_wrong()
  return redis.call('EXISTS', KEYS[4]) == 1 or #secret ~= 64 or string.find(secret, '[^%x]')
end
if not secret or is_old and secret ~= ARGV[2] and is_wrong() then
  redis.call('SET', KEYS[2], ARGV[2])
  if is_old then redis.call('DEL', KEYS[4]) else redis.call('SET', KEYS[4], ARGV[1], 'EX', 60) end
end
-- Whoever has told its rows in another epoch knows that Redis was emptied since, however many answers it has missed.
redis.call('SET', KEYS[5], ARGV[6], 'NX')
redis.call('ZREMRANGEBYSCORE', KEYS[3], '-inf', now - 10 * lives)
local living = redis.call('ZRANGE', KEYS[1], 0, -1)
local answer = { redis.call('GET', KEYS[2]), redis.call('GET', KEYS[5]), tostring(#living) }
for _, replica in ipairs(living) do answer[#answer + 1] = replica end
for _, id in ipairs(redis.call('ZRANGE', KEYS[3], 0, -1)) do answer[#answer + 1] = id end
return answer
