-- The module ansicolors: texts with keys such as %{red}, for terminals.
local codes = {
  reset = 0, bright = 1, dim = 2, underline = 4, blink = 5, reverse = 7, hidden = 8,
  black = 30, red = 31, green = 32, yellow = 33, blue = 34, magenta = 35, cyan = 36, white = 37,
  blackbg = 40, redbg = 41, greenbg = 42, yellowbg = 43, bluebg = 44, magentabg = 45, cyanbg = 46, whitebg = 47,
}

local function escape(keys)
  local list = {}
  for key in keys:gmatch("%w+") do
    if not codes[key] then error("unknown key: " .. key) end
    list[#list + 1] = "\27[" .. codes[key] .. "m"
  end
  return table.concat(list)
end

local function replace(text)
  return (tostring(text or ""):gsub("%%{(.-)}", escape))
end

return setmetatable({ noReset = replace }, {
  __call = function(_, text) return replace("%{reset}" .. tostring(text or "") .. "%{reset}") end,
})
