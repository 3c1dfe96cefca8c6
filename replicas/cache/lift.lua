-- Lifts an attempt's own fences after PostgreSQL has rejected its changes. Readers may fill what PostgreSQL has.
--
-- KEYS: state, then one entry per id. ARGV: epoch, then one fence per id. Returns "ok", "lost" or "behind".
-- A fence that is marked "!" stays, because an earlier attempt of the same process may still be committed.
local lifted, reduced = {}, {}
local fences = redis.call('HMGET', KEYS[1], unpack(KEYS, 2))
for i = 1, #KEYS - 1 do
  local own, remaining, found = ARGV[i + 1], {}, false
  for fence in string.gmatch(fences[i] or '', '%S+') do
    if fence == own then
      found = true
    else
      remaining[#remaining + 1] = fence
    end
  end
  if found and #remaining > 0 then
    reduced[#reduced + 1] = KEYS[i + 1]
    reduced[#reduced + 1] = table.concat(remaining, ' ')
  elseif found then
    lifted[#lifted + 1] = KEYS[i + 1]
  end
end
if #reduced > 0 then
  redis.call('HSET', KEYS[1], unpack(reduced))
end
if #lifted > 0 then
  redis.call('HDEL', KEYS[1], unpack(lifted))
end
return 'ok'
