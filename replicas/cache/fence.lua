-- Before the apply: from now on nobody can fill these entities, and readers miss and read PostgreSQL.
-- KEYS: state, then an entry each. ARGV: epoch, token, then id and version each. Answers "ok", "lost" or "behind".
-- Deleting the entry also ends the lease that may stand in its place. A fence for a higher version stays: when it is lifted,
-- PostgreSQL has that version, and what we are about to apply is stale.
-- A server whose memory is full refuses a script's HSET only before its first write, so that comes first.
local fields, entries, fences = {}, {}, {}
for i = 1, #KEYS - 1 do
  fields[i] = 'f:' .. ARGV[2 * i + 1]
  entries[i] = KEYS[i + 1]
end
local others = redis.call('HMGET', KEYS[1], unpack(fields))
for i = 1, #fields do
  local other, version = others[i], ARGV[2 * i + 2]
  if not other or tonumber(string.match(other, '^%d+')) <= tonumber(version) then
    fences[#fences + 1] = fields[i]
    fences[#fences + 1] = version .. ':' .. ARGV[2]
  end
end
if #fences > 0 then
  redis.call('HSET', KEYS[1], unpack(fences))
end
redis.call('DEL', unpack(entries))
return 'ok'
