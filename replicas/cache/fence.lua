-- Before the apply: from now on nobody can fill these entities, and readers miss and read PostgreSQL.
-- KEYS: state, then an entry each. ARGV: epoch, token, then id and version each. Answers "ok", "lost" or "behind".
-- Deleting the entry also ends the lease that may stand in its place. A fence for a higher version stays: when it is lifted,
-- PostgreSQL has that version, and what we are about to apply is stale.
-- A server whose memory is full refuses a script's HSET only before its first write, so that comes first.
for i = 2, #KEYS do
  local field = 'f:' .. ARGV[2 * i - 1]
  local version = ARGV[2 * i]
  local other = redis.call('HGET', KEYS[1], field)
  if not other or tonumber(string.match(other, '^%d+')) <= tonumber(version) then
    redis.call('HSET', KEYS[1], field, version .. ':' .. ARGV[2])
  end
  redis.call('DEL', KEYS[i])
end
return 'ok'
