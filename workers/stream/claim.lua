-- Make the stream that of a store, and the consumer group that of its writer; both at once.
--
-- KEYS: owner, stream, writer's heartbeat
-- ARGV: the store, its path, its host, its consumer group, the owner that may be replaced ('' for none),
--       '1' when only if nothing waits in the stream, the epoch of its lease (0 where a lease cannot be lost),
--       the stores whose content it is a copy of ('' for none)
-- Returns: 1 when the stream is this store's now, 0 when it is another's, -1 when the lease is a later writer's
-- A group of another store, or of an earlier epoch, is destroyed: its writer, should it only have been frozen or
-- cut off, reads nothing more.
local theirs = redis.call('HGET', KEYS[1], 'store')
if theirs and theirs ~= ARGV[1] then
  if theirs ~= ARGV[5] or redis.call('EXISTS', KEYS[3]) == 1 then return 0 end
  if ARGV[6] == '1' and redis.call('XLEN', KEYS[2]) > 0 then return 0 end
end
if theirs == ARGV[1] and tonumber(redis.call('HGET', KEYS[1], 'epoch') or 0) > tonumber(ARGV[7]) then return -1 end
if theirs == ARGV[1] then
  -- For people to read; a Redis that is out of memory must not keep its own writer away.
  redis.pcall('HSET', KEYS[1], 'path', ARGV[2], 'host', ARGV[3], 'epoch', ARGV[7])
else
  redis.call('HSET', KEYS[1], 'store', ARGV[1], 'path', ARGV[2], 'host', ARGV[3], 'epoch', ARGV[7])
  redis.call('HSET', KEYS[1], 'moved_from', ARGV[8])
end
local groups = {}
if redis.call('EXISTS', KEYS[2]) == 1 then
  for _, fields in ipairs(redis.call('XINFO', 'GROUPS', KEYS[2])) do
    local group = {}
    for i = 1, #fields, 2 do group[fields[i]] = fields[i + 1] end
    groups[group['name']] = group
  end
end
if not groups[ARGV[4]] then
  -- From the beginning: what another store's writer has read and not acknowledged is not committed.
  local from, pending = '0', {}
  for name, group in pairs(groups) do
    if theirs == ARGV[1] then
      -- Of an earlier epoch: how often each write was tried is known, so that one that kills writers is found.
      from = group['last-delivered-id']
      pending = redis.call('XPENDING', KEYS[2], name, '-', '+', group['pending'] + 1)
    end
    redis.call('XGROUP', 'DESTROY', KEYS[2], name)
  end
  redis.call('XGROUP', 'CREATE', KEYS[2], ARGV[4], from, 'MKSTREAM')
  for _, one in ipairs(pending) do
    redis.call('XCLAIM', KEYS[2], ARGV[4], one[2], 0, one[1], 'RETRYCOUNT', one[4], 'FORCE', 'JUSTID')
  end
  groups = {}
end
for name in pairs(groups) do
  if name ~= ARGV[4] then redis.call('XGROUP', 'DESTROY', KEYS[2], name) end
end
return 1
