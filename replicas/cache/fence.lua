-- Fences ids before an apply: from now on readers miss, and none can fill them.
--
-- KEYS: state, then one entry per id. ARGV: epoch, token, then one fence per id. Returns "ok", "lost" or "behind".
--
-- The value of a fence is a list of <version>:<token>, one per applier in progress. An applier must not lift another
-- one's fence after a failure, or a reader could fill what that other applier is about to replace. Deleting the entry
-- also ends a lease in its place.
--
-- An earlier attempt of the same process (the part of the token before the dot) ended without a result, and may still
-- be committed. The new fence replaces it, unless it has a higher version, and is marked "!": only a commit lifts it,
-- no failure does. More than 16 fences belong to dead processes. Only a new epoch removes them, so the script returns
-- "lost".
--
-- A server whose memory is full rejects HSET only before a script's first write, so HSET is the first write.
local fences = {}
local present = redis.call('HMGET', KEYS[1], unpack(KEYS, 2))
for i = 1, #KEYS - 1 do
  local fence = ARGV[i + 2]
  if present[i] then
    local process = string.match(ARGV[2], '^[^.]+')
    local version = tonumber(string.match(fence, '^%d+'))
    local remaining, unknown_result = {}, false
    for other in string.gmatch(present[i], '%S+') do
      local other_version, other_process = string.match(other, '^(%d+):([^.]+)')
      if other_process == process and tonumber(other_version) <= version then
        unknown_result = true
      else
        remaining[#remaining + 1] = other
      end
    end
    if #remaining > 16 then
      return 'lost'
    end
    remaining[#remaining + 1] = fence .. (unknown_result and '!' or '')
    fence = table.concat(remaining, ' ')
  end
  fences[2 * i - 1] = KEYS[i + 1]
  fences[2 * i] = fence
end
redis.call('HSET', KEYS[1], unpack(fences))
redis.call('DEL', unpack(KEYS, 2))
return 'ok'
