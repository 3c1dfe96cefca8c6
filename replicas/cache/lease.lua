-- Leases an id for a reader that missed, before it reads PostgreSQL. The lease takes the place of the entry, so a fence
-- deletes it, and it expires when the reader dies.
--
-- KEYS: state, entry. ARGV: epoch, token, duration of the lease in ms, schema version.
-- Returns "leased", "fenced" (an apply is in progress), "lost", "behind", or the entry when another reader was faster.
-- The lease replaces an entry of another epoch or schema version: it is always safe to forget an entry.
if redis.call('HEXISTS', KEYS[1], KEYS[2]) == 1 then
  return 'fenced'
end
local entry = redis.call('GET', KEYS[2])
local epoch, schema_version = string.match(entry or '', '^(%S+) %S+ (%S+) ')
if epoch == ARGV[1] and schema_version == ARGV[4] then
  return entry
end
redis.call('SET', KEYS[2], 'lease ' .. ARGV[2], 'PX', ARGV[3])
return 'leased'
