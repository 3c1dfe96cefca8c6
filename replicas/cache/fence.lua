-- Before the apply: from now on nobody can fill these entities, and readers miss and read PostgreSQL.
-- KEYS: state, then an entry each. ARGV: epoch, token, then a fence each. Answers "ok", "lost" or "behind".
-- Deleting the entry also ends the lease that may stand in its place. A fence is a list of <version>:<token>, one for each applier at
-- work: none of them may be lifted by another's failure, or a reader could fill what the other is about to replace.
-- An earlier attempt of the same process (the part of the token before the dot) has ended without a word of how: it may
-- still be committed. Ours takes its place unless it was for a higher version, marked "!": only a commit lifts it, no failure.
-- More than 16 of them are those of dead processes. Only a new epoch forgets them: "lost".
-- A server whose memory is full refuses a script's HSET only before its first write, so that comes first.
local fences = {}
local others = redis.call('HMGET', KEYS[1], unpack(KEYS, 2))
for i = 1, #KEYS - 1 do
  local fence = ARGV[i + 2]
  if others[i] then
    local process = string.match(ARGV[2], '^[^.]+')
    local ours = tonumber(string.match(fence, '^%d+'))
    local kept, unsettled = {}, false
    for one in string.gmatch(others[i], '%S+') do
      local version, owner = string.match(one, '^(%d+):([^.]+)')
      if owner == process and tonumber(version) <= ours then
        unsettled = true
      else
        kept[#kept + 1] = one
      end
    end
    if #kept > 16 then
      return 'lost'
    end
    kept[#kept + 1] = fence .. (unsettled and '!' or '')
    fence = table.concat(kept, ' ')
  end
  fences[2 * i - 1] = KEYS[i + 1]
  fences[2 * i] = fence
end
redis.call('HSET', KEYS[1], unpack(fences))
redis.call('DEL', unpack(KEYS, 2))
return 'ok'
