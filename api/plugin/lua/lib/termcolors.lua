-- The module term.colors: values that are escapes for terminals, as texts or called with one.
local codes = {
  reset = 0, clear = 0, default = 0, bright = 1, dim = 2, underscore = 4, blink = 5, reverse = 7, hidden = 8,
  black = 30, red = 31, green = 32, yellow = 33, blue = 34, magenta = 35, cyan = 36, white = 37,
  onblack = 40, onred = 41, ongreen = 42, onyellow = 43, onblue = 44, onmagenta = 45, oncyan = 46, onwhite = 47,
}

local colors = {}
local meta = {
  __tostring = function(c) return c.value end,
  __concat = function(a, b) return tostring(a) .. tostring(b) end,
  __call = function(c, text) return c.value .. tostring(text) .. colors.reset.value end,
}
for name, code in pairs(codes) do
  colors[name] = setmetatable({ value = "\27[" .. code .. "m" }, meta)
end
return colors
