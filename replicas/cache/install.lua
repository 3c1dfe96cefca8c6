-- Installs a new epoch and removes the fences of the old one: PostgreSQL commits none of the applies that they were set
-- for.
--
-- KEYS: state. ARGV: epoch. Returns "ok", or "behind" when a newer epoch is installed.
local installed = redis.call('HGET', KEYS[1], 'epoch')
if installed and tonumber(installed) >= tonumber(ARGV[1]) then
  return installed == ARGV[1] and 'ok' or 'behind'
end
redis.call('DEL', KEYS[1])
redis.call('HSET', KEYS[1], 'epoch', ARGV[1])
return 'ok'
