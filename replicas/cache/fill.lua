-- Stores what a reader found in PostgreSQL, if its lease still stands: then nothing was fenced since, so nothing newer was applied.
-- KEYS: state, entry. ARGV: epoch, token, time to live in ms, the entry's text; an empty one only gives the lease back.
-- Answers "stored", "refused", "lost" or "behind".
if redis.call('GET', KEYS[2]) ~= 'lease ' .. ARGV[2] then
  return 'refused'
end
if ARGV[4] == '' then
  redis.call('DEL', KEYS[2])
  return 'refused'
end
redis.call('SET', KEYS[2], ARGV[4], 'PX', ARGV[3])
return 'stored'
