-- Returns the second at which the first of the slots begins, then the figures of each slot that is over, in order.
--
-- ARGV: prefix of the slots' keys, length of a slot (s), how many slots at most, how long a slot still changes
--       after its end (s), second of a slot: only later ones
local length = tonumber(ARGV[2])
local over = redis.call('TIME')[1] - tonumber(ARGV[4]) - length
local last = over - over % length
local since = tonumber(ARGV[5])
-- The clock was set back since that slot was over: no later one would come before it has caught up.
if since > last + length then since = 0 end
local first = math.max(last - (tonumber(ARGV[3]) - 1) * length, since + length)
local found = {string.format('%.0f', first)}
for begins_at = first, last, length do
  found[#found + 1] = redis.call('HGETALL', ARGV[1] .. string.format('%.0f', begins_at))
end
return found
