-- Adds what the writer has counted to the totals and to the present slot. Redis runs this without anything in
-- between, by its own clock, so several writers and readers on several hosts agree.
--
-- KEYS: totals, stream, number of this writer's last delivery
-- ARGV: number of this delivery, prefix of the slots' keys, length and life of a slot (s), how many figures are
--       added, then name and number of each of these, then of those of which a slot keeps the highest
local totals, stream, last_delivery = KEYS[1], KEYS[2], KEYS[3]
-- The reply to this very delivery was lost: it is here already, whoever else has delivered since.
if redis.call('GET', last_delivery) == ARGV[1] then return 0 end
local now = redis.call('TIME')
local seconds, microseconds = tonumber(now[1]), tonumber(now[2])
local slot = ARGV[2] .. string.format('%.0f', seconds - seconds % tonumber(ARGV[3]))
redis.call('SET', last_delivery, ARGV[1], 'EX', ARGV[4])
redis.call('HSETNX', totals, 'since', seconds)
local last = 5 + 2 * tonumber(ARGV[5])
for i = 6, last, 2 do
  redis.call('HINCRBY', totals, ARGV[i], ARGV[i + 1])
  redis.call('HINCRBY', slot, ARGV[i], ARGV[i + 1])
end

local function keep_highest(figure, value)
  local known = tonumber(redis.call('HGET', slot, figure) or '-1')
  if value > known then redis.call('HSET', slot, figure, string.format('%.0f', value)) end
end

for i = last + 1, #ARGV, 2 do keep_highest(ARGV[i], tonumber(ARGV[i + 1])) end
keep_highest('waiting', redis.call('XLEN', stream))
local oldest = redis.call('XRANGE', stream, '-', '+', 'COUNT', 1)[1]
if oldest then
  keep_highest('oldest_us', math.max(0, seconds * 1000000 + microseconds - tonumber(string.match(oldest[1], '%d+'))))
else
  keep_highest('oldest_us', 0)
end
-- Whoever runs this Redis may have kept INFO from its clients.
local info = redis.pcall('INFO', 'memory')
if type(info) == 'string' then
  local used = string.match(info, 'used_memory:(%d+)')
  if used then keep_highest('redis_bytes', tonumber(used)) end
end
redis.call('EXPIRE', slot, ARGV[4])
return 1
