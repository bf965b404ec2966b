-- Append writes to the stream, each within the limit, and ring for the writer; all of it at once.
--
-- KEYS: stream, last write id, doorbell, writer's heartbeat, bytes in the stream, writer's rate, owner
-- ARGV: limit (entries), doorbell's life (ms), prefix of the key claims, life of a key claim (s),
--       limit (bytes), limit (seconds that the last one would wait at the writer's rate), the caller's store,
--       '1' when it may have a stream that is nobody's, the highest write id that the caller knows of,
--       then for each write: payload, token or '', fingerprint or '', '1' when the caller waits
-- Returns: whether the caller is to ring, whether a writer is alive, then for each write its id, or
--          'full', 'reused' (the key belongs to another request), or for a write that is in the stream already
--          'joined <its id>' (its outcome comes) or 'running <its id>' (the caller does not wait for it);
--          'another_store' alone when the stream is another store's
local stream, last_key, doorbell, heartbeat = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local owner = redis.call('HGET', KEYS[7], 'store')
if not owner and ARGV[8] == '1' then
  redis.call('HSET', KEYS[7], 'store', ARGV[7])
elseif owner ~= ARGV[7] then
  return {0, 0, 'another_store'}
end
local limit, bytes_limit = tonumber(ARGV[1]), tonumber(ARGV[5])
local length = redis.call('XLEN', stream)
-- Counted anew from an empty stream, so that no error can add up.
local bytes = length > 0 and tonumber(redis.call('GET', KEYS[5]) or '0') or 0
local rate = tonumber(redis.call('GET', KEYS[6]) or '0')
if rate > 0 then limit = math.min(limit, math.ceil(rate * tonumber(ARGV[6]))) end
local now = redis.call('TIME')
local last = tonumber(redis.call('GET', last_key) or '0')
-- Microseconds stay exact in Lua's doubles until the year 2255. A clock set back must not reorder writes, nor
-- may a new master that lacks the last id, and whose clock is behind the former one's.
local id = math.max(now[1] * 1000000 + now[2], last + 1, tonumber(ARGV[9]) + 1)
local first = id
local replies = {0, redis.call('EXISTS', heartbeat)}

local function append(payload)
  if length >= limit or bytes + #payload > bytes_limit then return 'full' end
  local text = string.format('%.0f', id)
  redis.call('XADD', stream, text .. '-0', 'w', payload)
  length = length + 1
  bytes = bytes + #payload
  id = id + 1
  return text
end

for i = 10, #ARGV, 4 do
  local payload, token, fingerprint, waits = ARGV[i], ARGV[i + 1], ARGV[i + 2], ARGV[i + 3]
  local reply
  if token == '' then
    reply = append(payload)
  else
    -- A claim lives until its write is committed: then the receipt knows the key.
    local claim = ARGV[3] .. token
    local claimed = redis.call('GET', claim)
    if not claimed then
      reply = append(payload)
      if reply ~= 'full' then
        redis.call('SET', claim, fingerprint .. ' ' .. reply, 'EX', ARGV[4])
      end
    elseif string.sub(claimed, 1, #fingerprint + 1) ~= fingerprint .. ' ' then
      reply = 'reused'
    elseif waits == '1' then
      -- A second entry with the same token: the writer gives it the first one's outcome.
      reply = append(payload)
      if reply ~= 'full' then reply = 'joined ' .. string.sub(claimed, #fingerprint + 2) end
    else
      reply = 'running ' .. string.sub(claimed, #fingerprint + 2)
    end
  end
  replies[#replies + 1] = reply
end

if id > first then
  redis.call('SET', KEYS[5], bytes)
  redis.call('SET', last_key, string.format('%.0f', id - 1))
  if redis.call('SET', doorbell, '1', 'NX', 'PX', ARGV[2]) then replies[1] = 1 end
end
return replies
