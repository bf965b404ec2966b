-- Posts items with unique names and says, as one line of JSON, what became of the requests.
--
-- Arguments after the URL: the run's name, the items per request, what stands before, in front of the name,
-- behind the name and after all items, then one "Name: value" for each header.
--
-- wrk fills up its histogram with requests that a stalled connection would have sent ("co-ordinated
-- omission": for each latency n it also counts n-e, n-2e ... > e, with e the mean time per request of a
-- connection). That is taken back here, so that latencies are those of real answers: for n > e,
-- real[n] = data[n] - data[n+e].

local ffi = require("ffi")
ffi.cdef [[ struct histogram { uint64_t count, limit, min, max; uint64_t data[]; }; ]]

local SLOW_MICROSECONDS = 2000000
local BUCKETS_PER_DECADE = 50

local threads = {}

function setup(thread)
    thread:set("id", #threads)
    threads[#threads + 1] = thread
end

function init(args)
    run, items, before, front, back, after = args[1], tonumber(args[2]), args[3], args[4], args[5], args[6]
    local lines = { "POST " .. wrk.path .. " HTTP/1.1", "Host: " .. wrk.host .. ":" .. wrk.port }
    for i = 7, #args do lines[#lines + 1] = args[i] end
    head = table.concat(lines, "\r\n") .. "\r\nContent-Length: "
    sent, counts, examples = 0, {}, {}
    front = front .. "bench " .. run .. " " .. id .. "-"
end

function request()
    local parts = {}
    for i = 1, items do
        sent = sent + 1
        parts[i] = front .. sent .. back
    end
    local body = before .. table.concat(parts, ", ") .. after
    return head .. #body .. "\r\n\r\n" .. body
end

function response(status, headers, body)
    counts[status] = (counts[status] or 0) + 1
    if status >= 300 and not examples[status] then examples[status] = body:sub(1, 300) end
end

local function quoted(text)
    return '"' .. text:gsub('[%c"\\]', function(c) return string.format("\\u%04x", c:byte()) end) .. '"'
end

-- What the histogram holds without wrk's additions: percentiles, and counts in logarithmic buckets.
local function latencies(data, expected, correct)
    local function real(n)
        local found = tonumber(data.data[n])
        if correct and n > expected and n + expected <= tonumber(data.max) then
            found = found - tonumber(data.data[n + expected])
        end
        return found
    end
    local total, slow, sum, buckets = 0, 0, 0, {}
    for n = tonumber(data.min), tonumber(data.max) do
        local found = real(n)
        if found > 0 then
            total, sum = total + found, sum + found * n
            if n > SLOW_MICROSECONDS then slow = slow + found end
            local bucket = math.floor(math.log10(math.max(n, 1)) * BUCKETS_PER_DECADE)
            buckets[bucket] = (buckets[bucket] or 0) + found
        end
    end
    local wanted, seen, at = { 0.50, 0.90, 0.99, 0.999, 1 }, 0, {}
    for n = tonumber(data.min), tonumber(data.max) do
        seen = seen + real(n)
        while #wanted > #at and total > 0 and seen >= math.ceil(wanted[#at + 1] * total) do at[#at + 1] = n end
    end
    return total, slow, total > 0 and sum / total or 0, at, buckets
end

local function fields(map, key, value)
    local parts = {}
    for k, v in pairs(map) do parts[#parts + 1] = '"' .. key(k) .. '": ' .. value(v) end
    return "{" .. table.concat(parts, ", ") .. "}"
end

function done(summary, latency, requests)
    local statuses, shown = {}, {}
    for _, thread in ipairs(threads) do
        for status, count in pairs(thread:get("counts")) do statuses[status] = (statuses[status] or 0) + count end
        for status, body in pairs(thread:get("examples")) do shown[status] = body end
    end
    local connections = tonumber(os.getenv("BENCH_CONNECTIONS"))
    local rounds = math.floor(summary.requests / connections)
    local correct = rounds > 0
    local expected = correct and math.floor(summary.duration / rounds) or 0
    local data = ffi.cast("struct histogram **", latency)[0]
    local total, slow, mean, at, buckets = latencies(data, expected, correct)
    local errors = summary.errors
    io.write(string.format(
        'RESULT {"requests": %d, "seconds": %.6f, "measured": %d, "slow": %d, "unanswered": %d, "mean": %d, '
        .. '"p50": %d, "p90": %d, "p99": %d, "p999": %d, "max": %d, '
        .. '"connect": %d, "read": %d, "write": %d, "statuses": %s, "examples": %s, "histogram": %s}\n',
        summary.requests, summary.duration / 1e6, total, slow, errors.timeout, mean,
        at[1] or 0, at[2] or 0, at[3] or 0, at[4] or 0, at[5] or 0,
        errors.connect, errors.read, errors.write,
        fields(statuses, tostring, tostring), fields(shown, tostring, quoted), fields(buckets, tostring, tostring)))
end
