-- Append writes to the stream, each within the limit, and ring for the writer; all of it at once.
--
-- KEYS: stream, last write id, doorbell, writer's heartbeat
-- ARGV: limit (entries), doorbell's life (ms), prefix of the key claims, life of a key claim (s),
--       then for each write: payload, token or '', fingerprint or '', '1' when the caller waits
-- Returns: whether the caller is to ring, whether a writer is alive, then for each write its id, or
--          'full', 'reused' (the key belongs to another request), or for a write that is in the stream already
--          'joined <its id>' (its outcome comes) or 'running <its id>' (the caller does not wait for it)
local stream, last_key, doorbell, heartbeat = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local limit = tonumber(ARGV[1])
local length = redis.call('XLEN', stream)
local now = redis.call('TIME')
local last = tonumber(redis.call('GET', last_key) or '0')
-- Microseconds stay exact in Lua's doubles until the year 2255. A clock set back must not reorder writes.
local id = math.max(now[1] * 1000000 + now[2], last + 1)
local first = id
local answers = {0, redis.call('EXISTS', heartbeat)}

local function append(payload)
  if length >= limit then return 'full' end
  local text = string.format('%.0f', id)
  redis.call('XADD', stream, text .. '-0', 'w', payload)
  length = length + 1
  id = id + 1
  return text
end

for i = 5, #ARGV, 4 do
  local payload, token, fingerprint, waits = ARGV[i], ARGV[i + 1], ARGV[i + 2], ARGV[i + 3]
  local answer
  if token == '' then
    answer = append(payload)
  else
    -- A claim lives until its write is committed: then the receipt knows the key.
    local claim = ARGV[3] .. token
    local claimed = redis.call('GET', claim)
    if not claimed then
      answer = append(payload)
      if answer ~= 'full' then
        redis.call('SET', claim, fingerprint .. ' ' .. answer, 'EX', ARGV[4])
      end
    elseif string.sub(claimed, 1, #fingerprint + 1) ~= fingerprint .. ' ' then
      answer = 'reused'
    elseif waits == '1' then
      -- A second entry with the same token: the writer answers it with the first one's outcome.
      answer = append(payload)
      if answer ~= 'full' then answer = 'joined ' .. string.sub(claimed, #fingerprint + 2) end
    else
      answer = 'running ' .. string.sub(claimed, #fingerprint + 2)
    end
  end
  answers[#answers + 1] = answer
end

if id > first then
  redis.call('SET', last_key, string.format('%.0f', id - 1))
  if redis.call('SET', doorbell, '1', 'NX', 'PX', ARGV[2]) then answers[1] = 1 end
end
return answers
