-- Stores what a reader found in PostgreSQL, if its lease still exists: then no fence was set since, so nothing newer
-- was applied.
--
-- KEYS: state, entry. ARGV: epoch, token, time to live in ms, text of the entry; an empty text only ends the lease.
-- Returns "stored", "rejected", "lost" or "behind".
if redis.call('GET', KEYS[2]) ~= 'lease ' .. ARGV[2] then
  return 'rejected'
end
if ARGV[4] == '' then
  redis.call('DEL', KEYS[2])
  return 'rejected'
end
redis.call('SET', KEYS[2], ARGV[4], 'PX', ARGV[3])
return 'stored'
