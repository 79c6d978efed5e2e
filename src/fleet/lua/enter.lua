-- A request begins: a place among those that are answered at once, and one of this minute's.
-- KEYS: requests, tokens, places. ARGV: requests a minute, whether it counts, places, tokens a minute (0: no limit),
-- this place, and the replicas that are gone.
local now = now_us()
local requests, counts, most_places, tokens = tonumber(ARGV[1]), ARGV[2] == '1', tonumber(ARGV[3]), tonumber(ARGV[4])
local is_refused, others = '', {}
if most_places > 0 then
  for i = 6, #ARGV do
    for _, place in ipairs(redis.call('HKEYS', KEYS[3])) do
      if string.sub(place, 1, #ARGV[i] + 1) == ARGV[i] .. '/' then redis.call('HDEL', KEYS[3], place) end
    end
  end
  if redis.call('HLEN', KEYS[3]) >= most_places then
    is_refused = 'places'
    for _, place in ipairs(redis.call('HKEYS', KEYS[3])) do
      others[#others + 1] = string.match(place, '^[^/]*')
    end
  end
end
local left = -1
if requests > 0 then
  left = level_of(KEYS[1], requests, now)
  if is_refused == '' and counts then
    if 1 - left > SLACK then
      is_refused = 'requests'
    else
      left = left - 1
      keep_level(KEYS[1], requests, now, left)
    end
  end
end
if is_refused == '' and most_places > 0 then
  redis.call('HSET', KEYS[3], ARGV[5], 1)
  redis.call('EXPIRE', KEYS[3], 86400)
end
local tokens_left = -1
if tokens > 0 then tokens_left = level_of(KEYS[2], tokens, now) end
local answer = { is_refused, string.format('%.6f', left), string.format('%.6f', tokens_left) }
for _, other in ipairs(others) do answer[#answer + 1] = other end
return answer
