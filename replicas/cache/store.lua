-- After the commit: stores what PostgreSQL has and lifts the fence, where the fence is still the one that we set.
-- KEYS: state, then an entry each. ARGV: epoch, token, time to live in ms, then id, version and body each; an empty body only
-- lifts the fence (PostgreSQL has something newer). Answers "ok", "lost" or "behind".
-- A server whose memory is full refuses a script's SET only before its first write, so that comes first.
for i = 2, #KEYS do
  local at = 3 * i - 2
  local field = 'f:' .. ARGV[at]
  local version, body = ARGV[at + 1], ARGV[at + 2]
  if redis.call('HGET', KEYS[1], field) == version .. ':' .. ARGV[2] then
    if body ~= '' then
      redis.call('SET', KEYS[i], ARGV[1] .. ' ' .. version .. ' ' .. body, 'PX', ARGV[3])
    end
    redis.call('HDEL', KEYS[1], field)
  end
end
return 'ok'
