-- Make the stream that of a store, and the consumer group that of its writer; both at once.
--
-- KEYS: owner, stream, writer's heartbeat
-- ARGV: the store, its path, its host, its consumer group, the owner that may be replaced ('' for none),
--       '1' when only if nothing waits in the stream
-- Returns: whether the stream is this store's now
-- A group of another store is destroyed, so that its writer, should it only have been frozen, reads nothing more.
local theirs = redis.call('HGET', KEYS[1], 'store')
if theirs and theirs ~= ARGV[1] then
  if theirs ~= ARGV[5] or redis.call('EXISTS', KEYS[3]) == 1 then return 0 end
  if ARGV[6] == '1' and redis.call('XLEN', KEYS[2]) > 0 then return 0 end
end
if theirs == ARGV[1] then
  -- For people to read; a Redis that is out of memory must not keep its own writer away.
  redis.pcall('HSET', KEYS[1], 'path', ARGV[2], 'host', ARGV[3])
else
  redis.call('HSET', KEYS[1], 'store', ARGV[1], 'path', ARGV[2], 'host', ARGV[3])
end
local exists = false
if redis.call('EXISTS', KEYS[2]) == 1 then
  for _, group in ipairs(redis.call('XINFO', 'GROUPS', KEYS[2])) do
    if group[2] == ARGV[4] then exists = true else redis.call('XGROUP', 'DESTROY', KEYS[2], group[2]) end
  end
end
-- From the beginning: what another group has read and not acknowledged is not committed.
if not exists then redis.call('XGROUP', 'CREATE', KEYS[2], ARGV[4], '0', 'MKSTREAM') end
return 1
