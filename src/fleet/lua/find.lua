-- Kept responses, which are as good as new when they are asked for; and those that the first goes on from, as far as there
-- is room.
-- KEYS: responses of one caller. ARGV: how long they are kept in ms, the same for one that has not come to an end, and how
-- many bytes of a conversation may be looked up.
local answer, room = {}, tonumber(ARGV[3])
local function add(key)
  local known = redis.call('HMGET', key, 'record', 'outcome', 'charged', 'previous')
  if not known[1] then return nil end
  redis.call('PEXPIRE', key, known[2] and ARGV[1] or ARGV[2])
  answer[#answer + 1] = string.match(key, '}s(.*)$')
  for i = 1, 3 do answer[#answer + 1] = known[i] or '' end
  room = room - #known[1] - #(known[2] or '')
  return known[4]
end
for i, key in ipairs(KEYS) do
  local previous = add(key)
  -- All of a caller's are in one place.
  while i == 1 and previous and room > 0 do previous = add(string.match(key, '^[^}]*}s') .. previous) end
end
return answer
