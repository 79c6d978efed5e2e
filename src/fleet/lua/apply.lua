-- What has become of a caller's requests, all that came together.
-- KEYS: order, tokens, places, and then the keys that effects name by number. ARGV: the effects as JSON, how long rows
-- live in ms, most rows of a caller.
local now = now_us()
local order = KEYS[1]
local lives = tonumber(ARGV[2])
local effects = cjson.decode(ARGV[1])
for _, row in ipairs(effects.put) do
  local place, id, state, age, content, bought = KEYS[row[1]], row[2], row[3], row[4], row[5], row[6]
  local known = redis.call('HGET', place, id)
  local at = known and tonumber(string.match(known, '^%a:(%d+):')) or now - age * 1000
  local left = math.floor((at - now) / 1000) + lives
  if left > 0 then
    redis.call('HSET', place, id, state .. ':' .. string.format('%.0f', at) .. ':' .. content .. ':' .. bought)
    if redis.call('PTTL', place) < left then redis.call('PEXPIRE', place, left) end
    redis.call('ZADD', order, at, place .. ' ' .. id)
    if redis.call('PTTL', order) < left then redis.call('PEXPIRE', order, left) end
  end
end
for _, row in ipairs(effects.deliver) do
  local place, id = KEYS[row[1]], row[2]
  local known = redis.call('HGET', place, id)
  if known then redis.call('HSET', place, id, 'd' .. string.sub(known, 2)) end
end
for _, row in ipairs(effects.remove) do
  local place, id = KEYS[row[1]], row[2]
  redis.call('HDEL', place, id)
  redis.call('ZREM', order, place .. ' ' .. id)
end
local surplus = #effects.put > 0 and redis.call('ZCARD', order) - tonumber(ARGV[3]) or 0
if surplus > 0 then
  for _, member in ipairs(redis.call('ZRANGE', order, 0, math.min(surplus, 16) - 1)) do
    local of, id = string.match(member, '^(.*) (.*)$')
    redis.call('HDEL', of, id)
    redis.call('ZREM', order, member)
  end
end
for _, place in ipairs(effects.leave) do redis.call('HDEL', KEYS[3], place) end
local given = effects.give
for _, charge in ipairs(effects.charge) do
  local kept = KEYS[charge[1]]
  if redis.call('EXISTS', kept) == 1 and redis.call('HSETNX', kept, 'charged', 1) == 1 then given = given - charge[2] end
end
if effects.tokens > 0 and given ~= 0 then
  keep_level(KEYS[2], effects.tokens, now, level_of(KEYS[2], effects.tokens, now) + given)
end
return {}
