-- Note of writes that wait that they are not to be applied any more; all of them at once.
--
-- KEYS: owner, stream, cancelled writes
-- ARGV: the caller's store, then the ids of writes
-- Returns: for each 'cancelled' (the writer has not read it, and will reject it), 'read' (the writer has it: it is
--          rejected only should the writer have to begin anew with it), or 'gone' (it does not wait);
--          'another_store' alone when the stream is another store's
-- An entry cannot be changed in its place, and one that is taken out would leave no receipt. So the writer asks.
if redis.call('HGET', KEYS[1], 'store') ~= ARGV[1] then return {'another_store'} end
local replies = {}
local groups = redis.call('EXISTS', KEYS[2]) == 1 and redis.call('XINFO', 'GROUPS', KEYS[2]) or {}
for i = 2, #ARGV do
  local entry = ARGV[i] .. '-0'
  if #redis.call('XRANGE', KEYS[2], entry, entry) == 0 then
    replies[#replies + 1] = 'gone'
  else
    redis.call('ZADD', KEYS[3], ARGV[i], ARGV[i])
    -- The writer's group is the only one; without it nobody has read anything.
    local read = false
    for _, group in ipairs(groups) do
      read = read or #redis.call('XPENDING', KEYS[2], group[2], entry, entry, 1) > 0
    end
    replies[#replies + 1] = read and 'read' or 'cancelled'
  end
end
return replies
