-- How long a row is there for those who wait for it after its answer was delivered, in ms.
local AFTERWARDS = 30000

-- The rule of keys::bucket: a minute's worth at most, flowing back evenly. A level lives under a key of its own as what is
-- left, what a minute's worth was, and when that was so in microseconds. Only Redis' clock counts, so that no replica's does.
local SLACK = 0.001

local function now_us()
  local time = redis.call('TIME')
  return tonumber(time[1]) * 1000000 + tonumber(time[2])
end

local function level_of(key, most, now)
  local known = redis.call('HMGET', key, 'left', 'most', 'at')
  if not known[1] then return most end
  local left, before = tonumber(known[1]), tonumber(known[2])
  local passed = (now - tonumber(known[3])) / 1000000
  -- The clock was turned back. What is left flows back from now on, and not only when that moment comes again.
  if passed < 0 then
    redis.call('HSET', key, 'at', string.format('%.0f', now))
    passed = 0
  end
  left = math.min(before, left + passed * before / 60)
  -- With another limit, what was used stays used.
  return math.min(most, most - (before - left))
end

local function keep_level(key, most, now, left)
  left = math.min(most, left)
  redis.call('HSET', key, 'left', string.format('%.6f', left), 'most', most, 'at', string.format('%.0f', now))
  -- What is full again need not be known.
  redis.call('PEXPIRE', key, math.min(math.floor((most - left) * 60000 / most) + 60000, 86400000))
end

-- Forgets the oldest rows of a caller that has too many: a few at a time, so that a lowered limit holds nobody up.
local function forget_surplus(order, most)
  local surplus = redis.call('ZCARD', order) - most
  if surplus <= 0 then return end
  for _, member in ipairs(redis.call('ZRANGE', order, 0, math.min(surplus, 16) - 1)) do
    local of, id = string.match(member, '^(.*) (.*)$')
    redis.call('HDEL', of, id)
    redis.call('ZREM', order, member)
  end
end
