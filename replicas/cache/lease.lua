-- A reader that missed asks to fill the entry, before it reads PostgreSQL. The lease stands in the entry's place, so that a fence
-- ends it, and it goes by itself when the reader dies.
-- KEYS: state, entry. ARGV: epoch, id, token, life of the lease in ms.
-- Answers "leased", "fenced" (an apply is under way), "lost", "behind", or the entry when another reader was faster.
if redis.call('HEXISTS', KEYS[1], 'f:' .. ARGV[2]) == 1 then
  return 'fenced'
end
local there = redis.call('GET', KEYS[2])
if there and string.sub(there, 1, #ARGV[1] + 1) == ARGV[1] .. ' ' then
  return there
end
redis.call('SET', KEYS[2], 'lease ' .. ARGV[3], 'PX', ARGV[4])
return 'leased'
