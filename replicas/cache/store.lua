-- Stores committed documents after an apply, and lifts the attempt's fences, for each id whose own fence still exists.
--
-- KEYS: state, then one entry per id. ARGV: epoch, time to live in ms, then a fence and the text of the entry per id;
-- an empty text only lifts the fence, because PostgreSQL has a newer version. Returns "ok", "lost" or "behind".
--
-- Fences of the same or a lower version are lifted too: their changes are not newer than what is committed. A fence of
-- a higher version stays, and then nothing is stored: PostgreSQL may commit that version at any moment.
--
-- A server whose memory is full rejects SET only before a script's first write, so SET comes first.
local lifted, reduced = {}, {}
local fences = redis.call('HMGET', KEYS[1], unpack(KEYS, 2))
for i = 1, #KEYS - 1 do
  local own, text, higher = ARGV[2 * i + 1], ARGV[2 * i + 2], {}
  local found = fences[i] == own
  if fences[i] and not found then
    local version = tonumber(string.match(own, '^%d+'))
    for fence in string.gmatch(fences[i], '%S+') do
      if fence == own or fence == own .. '!' then
        found = true
      elseif tonumber(string.match(fence, '^%d+')) > version then
        higher[#higher + 1] = fence
      end
    end
  end
  if found and #higher > 0 then
    reduced[#reduced + 1] = KEYS[i + 1]
    reduced[#reduced + 1] = table.concat(higher, ' ')
  elseif found then
    if text ~= '' then
      redis.call('SET', KEYS[i + 1], text, 'PX', ARGV[2])
    end
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
