-- After the commit: stores what PostgreSQL has and lifts the fence, where the fence is still the one that we set.
-- KEYS: state, then an entry each. ARGV: epoch, token, time to live in ms, then id, version and body each; an empty body only
-- lifts the fence (PostgreSQL has something newer). Answers "ok", "lost" or "behind".
-- A server whose memory is full refuses a script's SET only before its first write, so that comes first.
local fields, lifted = {}, {}
for i = 1, #KEYS - 1 do
  fields[i] = 'f:' .. ARGV[3 * i + 1]
end
local fences = redis.call('HMGET', KEYS[1], unpack(fields))
for i = 1, #fields do
  local version, body = ARGV[3 * i + 2], ARGV[3 * i + 3]
  if fences[i] == version .. ':' .. ARGV[2] then
    if body ~= '' then
      redis.call('SET', KEYS[i + 1], ARGV[1] .. ' ' .. version .. ' ' .. body, 'PX', ARGV[3])
    end
    lifted[#lifted + 1] = fields[i]
  end
end
if #lifted > 0 then
  redis.call('HDEL', KEYS[1], unpack(lifted))
end
return 'ok'
