-- After PostgreSQL has refused the apply for good: lifts the fence that was set for it, and no other's. What PostgreSQL has is what it
-- had, and readers may fill it again.
-- KEYS: state, then an entry each. ARGV: epoch, then a fence each. Answers "ok", "lost" or "behind".
-- One marked "!" stays: an earlier attempt of the same process may still be committed.
local lifted, left = {}, {}
local fences = redis.call('HMGET', KEYS[1], unpack(KEYS, 2))
for i = 1, #KEYS - 1 do
  local own, others, found = ARGV[i + 1], {}, false
  for one in string.gmatch(fences[i] or '', '%S+') do
    if one == own then
      found = true
    else
      others[#others + 1] = one
    end
  end
  if found and #others > 0 then
    left[#left + 1] = KEYS[i + 1]
    left[#left + 1] = table.concat(others, ' ')
  elseif found then
    lifted[#lifted + 1] = KEYS[i + 1]
  end
end
if #left > 0 then
  redis.call('HSET', KEYS[1], unpack(left))
end
if #lifted > 0 then
  redis.call('HDEL', KEYS[1], unpack(lifted))
end
return 'ok'
