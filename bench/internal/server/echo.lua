local json, sdp = require "json", require "janus-sdp"

function init(config) end
function destroy() end
function resumeScheduler() end
function createSession(id) end
function destroySession(id) end
function querySession(id) return "{}" end
function hangupMedia(id) end

function handleMessage(id, transaction, message, jsep)
  if not jsep then return 0, '{"echotest":"response","result":"ok"}' end
  local answer = sdp.generateAnswer(sdp.parse(json.decode(jsep).sdp))
  pushEvent(id, transaction, '{"echotest":"event","result":"ok"}', json.encode({ type = "answer", sdp = sdp.render(answer) }))
  return 1, nil
end

function setupMedia(id)
  for _, medium in ipairs { "audio", "video", "data" } do
    configureMedium(id, medium, "in", true)
    configureMedium(id, medium, "out", true)
  end
  addRecipient(id, id)
end
