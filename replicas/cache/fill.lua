-- Stores what a reader found in PostgreSQL, if its lease still stands: then nothing was fenced since, so nothing newer was applied.
-- KEYS: state, entry. ARGV: epoch, token, time to live in ms, version, body; an empty body only gives the lease back.
-- Answers "stored", "refused", "lost" or "behind".
if redis.call('GET', KEYS[2]) ~= 'lease ' .. ARGV[2] then
  return 'refused'
end
if ARGV[5] == '' then
  redis.call('DEL', KEYS[2])
  return 'refused'
end
redis.call('SET', KEYS[2], ARGV[1] .. ' ' .. ARGV[4] .. ' ' .. ARGV[5], 'PX', ARGV[3])
return 'stored'
