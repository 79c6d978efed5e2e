-- A request begins, and if it may, what it goes on from is looked up.
-- KEYS: those of entering, and the responses. ARGV: how many of KEYS are for entering, how many of what follows, and then what
-- entering and finding are told. The answer is what finding says, behind how many texts entering says, and these.
local keys_to_enter, told_to_enter = tonumber(ARGV[1]), tonumber(ARGV[2])
local function slice(list, from, to)
  local part = {}
  for i = from, to do part[#part + 1] = list[i] end
  return part
end
local answer = enter(slice(KEYS, 1, keys_to_enter), slice(ARGV, 3, 2 + told_to_enter))
local is_refused = answer[1] ~= ''
table.insert(answer, 1, tostring(#answer))
if is_refused then return answer end
for _, text in ipairs(find(slice(KEYS, keys_to_enter + 1, #KEYS), slice(ARGV, 3 + told_to_enter, #ARGV))) do
  answer[#answer + 1] = text
end
return answer
