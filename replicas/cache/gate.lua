-- Start of every script except install.lua. A script of another epoch than the installed one does nothing.
-- Returns "behind" when a newer epoch is installed, "lost" when the script's epoch is not installed, or no more.
local installed = redis.call('HGET', KEYS[1], 'epoch')
if installed ~= ARGV[1] then
  if installed and tonumber(installed) > tonumber(ARGV[1]) then
    return 'behind'
  end
  return 'lost'
end
