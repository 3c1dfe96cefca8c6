-- Opens a new epoch. KEYS: state. ARGV: epoch. Answers "ok", or "behind" when a newer one is there.
-- Fences of the old epoch go: PostgreSQL refuses to commit what they were set for, and everything older is committed.
local installed = redis.call('HGET', KEYS[1], 'epoch')
if installed and tonumber(installed) >= tonumber(ARGV[1]) then
  return installed == ARGV[1] and 'ok' or 'behind'
end
redis.call('DEL', KEYS[1])
redis.call('HSET', KEYS[1], 'epoch', ARGV[1])
return 'ok'
