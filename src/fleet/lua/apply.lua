-- What has become of a caller's requests, all that came together.
-- KEYS: order, tokens, places, and then the keys that effects name by number. ARGV: the effects as JSON, how long rows
-- live in ms, most rows of a caller, and then the texts that effects name by number.
local now = now_us()
local order = KEYS[1]
local lives = tonumber(ARGV[2])
local effects = cjson.decode(ARGV[1])
local function expire_in(key, left)
  if redis.call('PTTL', key) < left then redis.call('PEXPIRE', key, left) end
end

-- An answer is with the client. By its content a request is not found any more then; by its key it is.
local function deliver(place, id, row)
  if string.find(place, '}c', 1, true) then
    local rest = string.match(row, '^%a:%d+:(.*)$')
    redis.call('HSET', place, id, 'd:' .. string.format('%.0f', now) .. ':' .. rest)
    redis.call('ZREM', order, place .. ' ' .. id)
    if redis.call('HLEN', place) == 1 then redis.call('PEXPIRE', place, AFTERWARDS) end
  else
    redis.call('HSET', place, id, 'd' .. string.sub(row, 2))
  end
end

-- An answer was handed over that its client has not taken. A retry finds it for a while; that it was handed over is known.
local function undeliver(place, id, row)
  local rest = string.match(row, '^%a:%d+:(.*)$')
  redis.call('HSET', place, id, 'u:' .. string.format('%.0f', now) .. ':' .. rest)
  redis.call('ZREM', order, place .. ' ' .. id)
  expire_in(place, AFTERWARDS)
end

for _, put in ipairs(effects.put) do
  local place, id, state, age, content, bought = KEYS[put[1]], put[2], put[3], put[4], put[5], put[6]
  local known = redis.call('HGET', place, id)
  local at = known and tonumber(string.match(known, '^%a:(%d+):')) or now - age * 1000
  local left = math.floor((at - now) / 1000) + lives
  if state == 'u' then
    undeliver(place, id, 'u:0:' .. content .. ':' .. bought)
  elseif left > 0 then
    local rest = ':' .. string.format('%.0f', at) .. ':' .. content .. ':' .. bought
    redis.call('HSET', place, id, state .. rest)
    expire_in(place, left)
    redis.call('ZADD', order, at, place .. ' ' .. id)
    expire_in(order, left)
    if state == 'd' then deliver(place, id, state .. rest) end
  end
end
for _, row in ipairs(effects.deliver) do
  local known = redis.call('HGET', KEYS[row[1]], row[2])
  if known then deliver(KEYS[row[1]], row[2], known) end
end
for _, row in ipairs(effects.undeliver) do
  local known = redis.call('HGET', KEYS[row[1]], row[2])
  if known then undeliver(KEYS[row[1]], row[2], known) end
end
for _, row in ipairs(effects.remove) do
  local place, id = KEYS[row[1]], row[2]
  redis.call('HDEL', place, id)
  redis.call('ZREM', order, place .. ' ' .. id)
end
if #effects.put > 0 then forget_surplus(order, tonumber(ARGV[3])) end
for _, keep in ipairs(effects.keep) do
  local kept = KEYS[keep[1]]
  if redis.call('HSETNX', kept, 'record', ARGV[3 + keep[2]]) == 1 then
    if keep[4] ~= '' then redis.call('HSET', kept, 'previous', keep[4]) end
    redis.call('PEXPIRE', kept, keep[3])
  end
end
-- Whoever says first what it has come to is right.
for _, settle in ipairs(effects.settle) do
  local kept = KEYS[settle[1]]
  if redis.call('EXISTS', kept) == 1 then
    redis.call('HSETNX', kept, 'outcome', ARGV[3 + settle[2]])
    redis.call('PEXPIRE', kept, settle[3])
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
