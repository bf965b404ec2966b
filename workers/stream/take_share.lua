-- Take the share of a client whose large writes are in the stream one at a time, whichever process sends them.
--
-- KEYS: the client's share
-- ARGV: a holder that is known to be through, or '', the new holder, or '' for nobody, how long it holds at most (ms)
-- Returns: who holds it already, or nil when it was taken
local holder = redis.call('GET', KEYS[1])
if holder and holder ~= ARGV[1] and holder ~= ARGV[2] then return holder end
if ARGV[2] == '' then
  redis.call('DEL', KEYS[1])
else
  redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
end
return false
