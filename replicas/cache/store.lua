-- After the commit: stores what PostgreSQL has and lifts the fence, where the fence that we set still stands.
-- KEYS: state, then an entry each. ARGV: epoch, time to live in ms, then a fence and the entry's text each; an empty text
-- only lifts the fence (PostgreSQL has something newer). Answers "ok", "lost" or "behind".
-- Fences for our version and below go with ours: what they were set for has nothing new to say. One for a higher version stays, and
-- then nothing is stored: PostgreSQL may have that version at any moment.
-- A server whose memory is full refuses a script's SET only before its first write, so that comes first.
local lifted, left = {}, {}
local fences = redis.call('HMGET', KEYS[1], unpack(KEYS, 2))
for i = 1, #KEYS - 1 do
  local own, text, higher = ARGV[2 * i + 1], ARGV[2 * i + 2], {}
  local found = fences[i] == own
  if fences[i] and not found then
    local version = tonumber(string.match(own, '^%d+'))
    for one in string.gmatch(fences[i], '%S+') do
      if one == own or one == own .. '!' then
        found = true
      elseif tonumber(string.match(one, '^%d+')) > version then
        higher[#higher + 1] = one
      end
    end
  end
  if found and #higher > 0 then
    left[#left + 1] = KEYS[i + 1]
    left[#left + 1] = table.concat(higher, ' ')
  elseif found then
    if text ~= '' then
      redis.call('SET', KEYS[i + 1], text, 'PX', ARGV[2])
    end
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
