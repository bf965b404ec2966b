-- Note of writes that wait that they are not to be applied any more; all of them at once.
--
-- KEYS: owner, stream, cancelled writes
-- ARGV: the caller's store, the writer's consumer group, then the ids of writes
-- Returns: for each 'cancelled' (the writer has not read it, and will reject it), 'read' (the writer has it: it is
--          rejected only should the writer have to begin anew with it), or 'gone' (it does not wait);
--          'another_store' alone when the stream is another store's
-- An entry cannot be changed in its place, and one that is taken out would leave no receipt. So the writer asks.
if redis.call('HGET', KEYS[1], 'store') ~= ARGV[1] then return {'another_store'} end
local replies = {}
for i = 3, #ARGV do
  local entry = ARGV[i] .. '-0'
  if #redis.call('XRANGE', KEYS[2], entry, entry) == 0 then
    replies[#replies + 1] = 'gone'
  else
    redis.call('ZADD', KEYS[3], ARGV[i], ARGV[i])
    -- Without the group, which is an error, nobody has read anything.
    local read = redis.pcall('XPENDING', KEYS[2], ARGV[2], entry, entry, 1)
    replies[#replies + 1] = (read.err or #read == 0) and 'cancelled' or 'read'
  end
end
return replies
