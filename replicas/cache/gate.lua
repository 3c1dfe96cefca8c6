-- First lines of every script. A script of another epoch than the state's does nothing: "behind" when a newer one was installed,
-- "lost" when this one is not there, or no more.
local installed = redis.call('HGET', KEYS[1], 'epoch')
if installed ~= ARGV[1] then
  if installed and tonumber(installed) > tonumber(ARGV[1]) then
    return 'behind'
  end
  return 'lost'
end
