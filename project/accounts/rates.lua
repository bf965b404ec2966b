-- Takes one request from an allowance that grows back evenly (the generic cell rate algorithm).
--
-- KEYS[1]: when the allowance is whole again; of nobody who has asked for less lately.
-- ARGV: how long one request takes to grow back, and all of them together. Times are in microseconds.
-- Reply: whether it was taken (1 or 0), how many are left, how long until the next one, until all are there.

-- In memory alone: each count would be another fsync of the append-only file, for what a restart may forget.
redis.set_repl(redis.REPL_NONE)

local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
local one, all = tonumber(ARGV[1]), tonumber(ARGV[2])

local whole = math.max(tonumber(redis.call('GET', KEYS[1]) or now), now)
local after = whole + one
local too_early = after - all - now
if too_early > 0 then
  return {0, 0, too_early, whole - now}
end
redis.call('SET', KEYS[1], string.format('%.0f', after), 'PX', math.ceil((after - now) / 1000))
return {1, math.floor((now + all - after) / one), 0, after - now}
