-- What Lua 5.3 has and the engine, which is Lua 5.1, has not.

table.unpack = table.unpack or unpack

function table.pack(...)
  return { n = select("#", ...), ... }
end

function table.move(from, first, last, at, to)
  to = to or from
  if at > first then
    for i = last - first, 0, -1 do to[at + i] = from[first + i] end
  else
    for i = 0, last - first do to[at + i] = from[first + i] end
  end
  return to
end

math.maxinteger = 9007199254740992
math.mininteger = -math.maxinteger

function math.tointeger(n)
  if type(n) == "number" and n == math.floor(n) and n - n == 0 then return n end
  return nil
end

function math.type(n)
  if type(n) ~= "number" then return nil end
  return math.tointeger(n) and "integer" or "float"
end

local loadfunction, loadstring, setfenv = load, loadstring, setfenv

function load(chunk, name, mode, env)
  local f, err
  if type(chunk) == "string" then
    f, err = loadstring(chunk, name or chunk)
  else
    f, err = loadfunction(chunk, name)
  end
  if f and env ~= nil then setfenv(f, env) end
  return f, err
end

local realpcall, unpackn = xpcall, table.unpack

function xpcall(f, handler, ...)
  local n = select("#", ...)
  if n == 0 then return realpcall(f, handler) end
  local args = { ... }
  return realpcall(function() return f(unpackn(args, 1, n)) end, handler)
end

utf8 = { charpattern = "[\1-\127\194-\244][\128-\191]*" }

local function encode(c)
  if c < 0x80 then return string.char(c) end
  if c < 0x800 then return string.char(0xC0 + math.floor(c / 64), 0x80 + c % 64) end
  if c < 0x10000 then
    return string.char(0xE0 + math.floor(c / 4096), 0x80 + math.floor(c / 64) % 64, 0x80 + c % 64)
  end
  return string.char(0xF0 + math.floor(c / 262144), 0x80 + math.floor(c / 4096) % 64,
    0x80 + math.floor(c / 64) % 64, 0x80 + c % 64)
end

function utf8.char(...)
  local list = { ... }
  for i = 1, #list do list[i] = encode(list[i]) end
  return table.concat(list)
end

-- decode is the character at a position, and the position behind it; nil if there is none.
local function decode(s, i)
  local c = string.byte(s, i)
  if not c then return nil end
  local more, least
  if c < 0x80 then
    return c, i + 1
  elseif c >= 0xC2 and c < 0xE0 then
    c, more, least = c - 0xC0, 1, 0x80
  elseif c >= 0xE0 and c < 0xF0 then
    c, more, least = c - 0xE0, 2, 0x800
  elseif c >= 0xF0 and c < 0xF5 then
    c, more, least = c - 0xF0, 3, 0x10000
  else
    return nil
  end
  for n = 1, more do
    local b = string.byte(s, i + n)
    if not b or b < 0x80 or b > 0xBF then return nil end
    c = c * 64 + b - 0x80
  end
  if c < least then return nil end
  return c, i + more + 1
end

function utf8.len(s, i, j)
  i, j = i or 1, j or -1
  if i < 0 then i = #s + 1 + i end
  if j < 0 then j = #s + 1 + j end
  local n = 0
  while i <= j do
    local c, behind = decode(s, i)
    if not c then return nil, i end
    n, i = n + 1, behind
  end
  return n
end

function utf8.codepoint(s, i, j)
  i = i or 1
  j = j or i
  if i < 0 then i = #s + 1 + i end
  if j < 0 then j = #s + 1 + j end
  local list = {}
  while i <= j do
    local c, behind = decode(s, i)
    if not c then error("invalid UTF-8 code", 2) end
    list[#list + 1] = c
    i = behind
  end
  return table.unpack(list)
end

function utf8.offset(s, n, i)
  local function continues(at)
    local b = string.byte(s, at)
    return b and b >= 0x80 and b < 0xC0
  end
  i = i or (n > 0 and 1 or #s + 1)
  if n == 0 then
    while i > 1 and continues(i) do i = i - 1 end
    return i
  end
  local step = n > 0 and 1 or -1
  for _ = step, n - (n > 0 and step or 0), step do
    repeat i = i + step until not continues(i)
    if i < 1 or i > #s + 1 then return nil end
  end
  return i
end

function utf8.codes(s)
  return function(_, i)
    i = i + 1
    while i <= #s and i > 1 do
      local b = string.byte(s, i)
      if b < 0x80 or b >= 0xC0 then break end
      i = i + 1
    end
    if i > #s then return nil end
    local c = decode(s, i)
    if not c then error("invalid UTF-8 code", 2) end
    return i, c
  end, s, 0
end

-- The engine's iterators are of use in a for loop only.
local gmatch = string.gmatch

function string.gmatch(s, pattern)
  local f, state, first = gmatch(s, pattern)
  return function()
    return f(state, first)
  end
end
