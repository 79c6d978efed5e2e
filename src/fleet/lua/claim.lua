-- How long living replicas take at most to tell a Redis that was emptied what they know, in us: a beat, and the writing.
local TOLD_AGAIN = 1500000

-- Finds the row of a request that came before, or adds one and takes its tokens.
-- KEYS: place, order, anchor, tokens. ARGV: id, content, whether it may be found, how long rows live in ms, an anchor,
-- most rows of a place, most rows of a caller, tokens a minute (0: no limit), tokens to take, the row that is waited for,
-- whether it was sent before for sure.
local now = now_us()
local place, order = KEYS[1], KEYS[2]
local lives = tonumber(ARGV[4])
local begins = now - lives * 1000
-- Whoever had rows here and finds another anchor knows that Redis has lost them.
local anchor = redis.call('GET', KEYS[3]) or (ARGV[5] .. '@' .. string.format('%.0f', now))
redis.call('SET', KEYS[3], anchor, 'PX', lives + 60000)
local tokens, left = tonumber(ARGV[8]), -1
if tokens > 0 then left = level_of(KEYS[4], tokens, now) end
local function answer(what, ...) return { what, anchor, string.format('%.6f', left), ... } end

local function found(id, row)
  local state, at, content, bought = string.match(row, '^(%a):(%d+):(%x+):(.*)$')
  if content ~= ARGV[2] then return answer('conflict') end
  return answer('row', id, state, string.format('%.0f', (now - tonumber(at)) / 1000), bought)
end

-- Whoever waits for a row gets to see what it comes to, delivered or not.
if ARGV[10] ~= '' then
  local row = redis.call('HGET', place, ARGV[10])
  if row then return found(ARGV[10], row) end
end
local by_content = string.find(place, '}c', 1, true)
local rows = redis.call('HGETALL', place)
local youngest, youngest_at, oldest, oldest_at, count = nil, 0, nil, math.huge, 0
-- Delivered and not taken: found where there is no other, and not for long.
local untaken, untaken_at = nil, 0
for i = 1, #rows, 2 do
  local state, at = string.match(rows[i + 1], '^(%a):(%d+):')
  at = tonumber(at)
  local is_over = by_content and state == 'd'
  local is_untaken = state == 'u'
  if at < ((is_over or is_untaken) and now - AFTERWARDS * 1000 or begins) then
    redis.call('HDEL', place, rows[i])
  else
    count = count + 1
    if is_untaken then
      if at >= untaken_at then untaken, untaken_at = i, at end
    elseif not is_over and at >= youngest_at then
      youngest, youngest_at = i, at
    end
    if at < oldest_at then oldest, oldest_at = i, at end
  end
end
youngest = youngest or untaken
if ARGV[3] == '1' and youngest then return found(rows[youngest], rows[youngest + 1]) end
-- Whoever was here before has an anchor from then. Where that is new, what replicas know may have yet to be told again.
-- (One from the future is old: the clock was turned back.)
local since = now - tonumber(string.match(anchor, '@(%d+)$') or 0)
if ARGV[11] == '1' and since >= 0 and since < TOLD_AGAIN then return answer('unsure') end
if tokens > 0 then
  local amount = tonumber(ARGV[9])
  if amount - left > SLACK then return answer('tokens') end
  left = left - amount
  keep_level(KEYS[4], tokens, now, left)
end
if count >= tonumber(ARGV[6]) then
  redis.call('HDEL', place, rows[oldest])
  redis.call('ZREM', order, place .. ' ' .. rows[oldest])
end
redis.call('HSET', place, ARGV[1], 's:' .. string.format('%.0f', now) .. ':' .. ARGV[2] .. ':')
redis.call('PEXPIRE', place, lives)
redis.call('ZADD', order, now, place .. ' ' .. ARGV[1])
redis.call('PEXPIRE', order, lives)
redis.call('ZREMRANGEBYSCORE', order, '-inf', begins)
forget_surplus(order, tonumber(ARGV[7]))
return answer('new')
