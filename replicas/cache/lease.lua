-- A reader that missed asks to fill the entry, before it reads PostgreSQL. The lease stands in the entry's place, so that a fence
-- ends it, and it goes by itself when the reader dies.
-- KEYS: state, entry. ARGV: epoch, token, life of the lease in ms, schema version.
-- Answers "leased", "fenced" (an apply is under way), "lost", "behind", or the entry when another reader was faster.
-- An entry of another epoch or schema version gives way: to forget one is always right.
if redis.call('HEXISTS', KEYS[1], KEYS[2]) == 1 then
  return 'fenced'
end
local there = redis.call('GET', KEYS[2])
local epoch, shape = string.match(there or '', '^(%S+) %S+ (%S+) ')
if epoch == ARGV[1] and shape == ARGV[4] then
  return there
end
redis.call('SET', KEYS[2], 'lease ' .. ARGV[2], 'PX', ARGV[3])
return 'leased'
