-- Reads instead of writes: the list's first page and single items in turn. Everything else is wrk.lua's.
--
-- Arguments after the URL: as for wrk.lua, with the list's path where the body begins, the path of an item
-- up to its id in front of the name, and the number of items to choose from where its end is.

dofile(os.getenv("BENCH_LUA") .. "/wrk.lua")

local init_writes = init

function init(args)
    init_writes(args)
    list, item, ids = args[3], args[4], tonumber(args[5])
    local lines = {}
    for i = 7, #args do lines[#lines + 1] = args[i] end
    tail = " HTTP/1.1\r\nHost: " .. wrk.host .. ":" .. wrk.port .. "\r\n" .. table.concat(lines, "\r\n") .. "\r\n\r\n"
end

function request()
    sent = sent + 1
    if sent % 2 == 0 then return "GET " .. list .. tail end
    return "GET " .. item .. (sent * 7 % ids + 1) .. "/" .. tail
end
