-- Take committed entries out of the stream: acknowledged and deleted together, because an entry that is only
-- acknowledged would stay for ever.
--
-- KEYS: stream, bytes in the stream, doorbell
-- ARGV: consumer group, bytes of the entries, doorbell's life (ms), prefix of the key claims,
--       how long claims linger (s), number of entries, their ids, tokens of claimed idempotency keys
-- A script and not MULTI: a Redis that is out of memory refuses all that is in a MULTI, and this frees memory.
local count = tonumber(ARGV[6])
-- Many in one call: one command of each kind goes to the append-only file. Lua's stack takes 8,000 values.
for first = 7, 6 + count, 1000 do
  local last = math.min(first + 999, 6 + count)
  -- Nothing to acknowledge means that the group is gone: another store's writer has taken the stream over, or
  -- will read these entries again.
  if redis.call('XACK', KEYS[1], ARGV[1], unpack(ARGV, first, last)) > 0 then
    redis.call('XDEL', KEYS[1], unpack(ARGV, first, last))
  end
end
for i = 7 + count, #ARGV do
  redis.call('EXPIRE', ARGV[4] .. ARGV[i], ARGV[5])
end
-- These two may be refused for want of memory; both make up for themselves.
redis.pcall('DECRBY', KEYS[2], ARGV[2])
redis.pcall('SET', KEYS[3], '1', 'PX', ARGV[3])
