-- Notes who stands by, if anybody does, and returns all who do.
--
-- KEYS: the set of those who stand by
-- ARGV: for how long one counts (ms), who stands by or nothing
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local life = tonumber(ARGV[1])
if ARGV[2] == '' then
  return redis.call('ZRANGEBYSCORE', KEYS[1], string.format('%.0f', now - life), '+inf')
end
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', string.format('%.0f', now - life))
redis.call('ZADD', KEYS[1], string.format('%.0f', now), ARGV[2])
redis.call('PEXPIRE', KEYS[1], life)
return {}
