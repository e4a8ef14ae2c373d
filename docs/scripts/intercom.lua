-- An intercom: one talks, all others listen.

local json = require "json"
local sdp = require "janus-sdp"

local talker        -- id of the session that talks, nil = nobody does
local listeners = {} -- by id

function init(config) end
function destroy() end
function resumeScheduler() end
function createSession(id) end

function querySession(id)
  return json.encode({ talks = talker == id, listens = listeners[id] == true })
end

local function talk(id, transaction, jsep)
  if talker then return -1, "Somebody talks already" end
  if not jsep then return -1, "Talk with an offer" end
  talker = id
  local answer = sdp.generateAnswer(sdp.parse(json.decode(jsep).sdp), { data = false })
  pushEvent(id, transaction, json.encode({ intercom = "talking" }),
    json.encode({ type = "answer", sdp = sdp.render(answer) }))
  return 1, nil
end

local function listen(id, transaction)
  listeners[id] = true
  local offer = sdp.generateOffer({ audio = true, audioDir = "sendonly", video = false })
  pushEvent(id, transaction, json.encode({ intercom = "listening" }),
    json.encode({ type = "offer", sdp = sdp.render(offer) }))
  return 1, nil
end

function handleMessage(id, transaction, message, jsep)
  local request = json.decode(message).request
  if request == "talk" then return talk(id, transaction, jsep) end
  if request == "listen" then return listen(id, transaction) end
  if request == "start" then return 0, json.encode({ intercom = "started" }) end -- has the listener's answer
  if request == "status" then return 0, json.encode({ intercom = "status", busy = talker ~= nil }) end
  return -1, "There is no request " .. tostring(request)
end

-- Media may flow. What is set here lasts until the hangup.
function setupMedia(id)
  if id == talker then
    configureMedium(id, "audio", "out", true)
    for listener in pairs(listeners) do addRecipient(id, listener) end
  elseif listeners[id] then
    configureMedium(id, "audio", "in", true)
    if talker then addRecipient(talker, id) end
  end
end

function hangupMedia(id)
  if talker == id then talker = nil end
  listeners[id] = nil
end

destroySession = hangupMedia
