package lua

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"bifrons/api/kit/script"
	"bifrons/api/plugin/plugintest"
	"bifrons/rtp/waittest"
	"bifrons/sfu/webrtctest"
)

// skeleton has the functions that a script must have, but for handleMessage.
const skeleton = `
function init(config) end
function destroy() end
function resumeScheduler() end
function createSession(id) session = id end
function destroySession(id) end
function querySession(id) return '{"id":' .. id .. '}' end
function setupMedia(id) end
function hangupMedia(id) end
`

// run starts the plugin with a script, whose functions stand behind the skeleton; settings are
// further lines of the file.
func run(t *testing.T, settings, code string) *plugintest.Core {
	t.Helper()
	path := filepath.Join(t.TempDir(), "test.lua")
	if err := os.WriteFile(path, []byte(skeleton+code), 0o600); err != nil {
		t.Fatal(err)
	}
	return start(t, fmt.Sprintf("general: {\n script = %q\n %s\n}", path, settings))
}

// answer is what a script answers that returns the value of an expression as a text.
func answer(t *testing.T, expression string) string {
	t.Helper()
	core := run(t, "", `
function handleMessage(id, tx, msg, jsep)
  local json = require "json"
  local function value() `+expression+` end
  local ok, v = pcall(value)
  return 0, json.encode({ok = ok, v = v})
end`)
	res := core.Attach(plugintest.Options{}).Message("t", `{"n":1}`, nil)
	if res.Failure != "" {
		return res.Failure + core.Log()
	}
	return strings.TrimSuffix(strings.TrimPrefix(string(res.Data), `{"ok":`), "}")
}

// What scripts for Lua 5.3 expect works.
func TestLibraries(t *testing.T) {
	for expression, want := range map[string]string{
		`return string.format("%d", 3.0)`:                                                  `"3"`,
		`return "id " .. session - session`:                                                `"id 0"`,
		`return math.type(1) .. tostring(math.type("x")) .. tostring(math.tointeger(1.5))`: `"integernilnil"`,
		`return table.concat({table.unpack({1, 2, 3})}, ",")`:                              `"1,2,3"`,
		`return table.pack(1, nil, 3).n`:                                                   `3`,
		`return table.concat(table.move({1, 2, 3}, 1, 3, 2), ",")`:                         `"1,1,2,3"`,
		`return load("return 1 + x", "chunk", "t", {x = 2})()`:                             `3`,
		`local _, e = load("1 +") return e ~= nil`:                                         `true`,
		`local ok, v = xpcall(function(a, b) return a + b end, print, 1, 2) return v`:      `3`,
		`return utf8.char(0xe9, 0x20ac, 0x1f600, 65)`:                                      `"é€😀A"`,
		`return utf8.len("é€😀A")`:                                                          `4`,
		`return tostring(utf8.len("\255"))`:                                                `"nil"`,
		`return utf8.codepoint("€")`:                                                       `8364`,
		`return utf8.offset("é€A", 3)`:                                                     `6`,
		`local l = {} for p, c in utf8.codes("é€A") do l[#l + 1] = p .. ":" .. c end return table.concat(l, " ")`: `"1:233 3:8364 6:65"`,
		`local it = ("a,b"):gmatch("[^,]+") return it() .. it() .. tostring((it()))`:                              `"abnil"`,
		`local l = {} for w in ("a b"):gmatch("%a") do l[#l + 1] = w end return #l`:                               `2`,
		`os.exit(1)`:                               `os.exit would end the server`,
		`return #("x"):rep(1e9)`:                   `resulting string too large`,
		`return ("ab"):rep(3, "-")`:                `"ab-ab-ab"`,
		`return type(require("socket").gettime())`: `"number"`,
		`return require("ansicolors")("%{red}x")`:  "\"\\u001b[0m\\u001b[31mx\\u001b[0m\"",
		`return require("term.colors").red .. "x"`: "\"\\u001b[31mx\"",
		`return require("term").colors.green("x")`: "\"\\u001b[32mx\\u001b[0m\"",
		`require "nothing"`:                        `module nothing not found`,
		`local c = coroutine.wrap(function(a) local b = coroutine.yield(a + 1) return b * 2 end) return c(1) .. c(5)`:                       `"210"`,
		`local c = coroutine.create(function() error("oops") end) local ok, e = coroutine.resume(c) return tostring(ok) .. e:match("oops")`: `"falseoops"`,
		`goto done do return 1 end ::done:: return 2`:                        `2`,
		`local t = {} t[60000000] = 1 t[300000] = 2 return #t + t[60000000]`: `1`,
		`return janusLog(4, "hello")`:                                        `0`,
		`return janusLog()`:                                                  `-1`,
		`return addRecipient(session, 1)`:                                    `-1`,
		`return configureMedium(session, "audio", "in", true)`:               `0`,
		`return readFile == nil and getModulesFolder == nil`:                 `true`,
		`return testExtraFunction() + eventsIsEnabled()`:                     `1`,
	} {
		if got := answer(t, expression); !strings.Contains(got, want) {
			t.Errorf("%s: %s, want %s", expression, got, want)
		}
	}
}

func TestJSON(t *testing.T) {
	for expression, want := range map[string]string{
		`return {}`:          `{}`,
		`return {1, 2, 3}`:   `[1,2,3]`,
		`return {1, nil, 3}`: `[1,null,3]`,
		`return {a = 1.5, }`: `{"a":1.5}`,
		`return 12345678901`: `12345678901`,
		`return json.decode('{"a":[],"b":{},"c":[null,1],"d":null,"e":"x\\u00e9","f":true,"g":1e2}')`: `{"a":[],"b":{},"c":[null,1],"d":null,"e":"xé","f":true,"g":100}`,
		`return tostring(json.decode("null"))`:                                                        `"nil"`,
		`return json.decode("1.5")`:                                                                   `1.5`,
		`return json.decode('"x"')`:                                                                   `"x"`,
		`return json.decode('{"a":null}').a == json.util.null`:                                        `true`,
		`return json.util.InitArray({})`:                                                              `[]`,
		`return {[10] = 1}`:                                                                           `{"10":1}`,
		`json.decode('{"a":')`:                                                                        `no JSON`,
		`json.decode('1, 2')`:                                                                         `no JSON: 2 values`,
		`json.decode("")`:                                                                             `no JSON`,
		`json.encode(print)`:                                                                          `there is no JSON for a function`,
		`json.encode({[true] = 1})`:                                                                   `there is no JSON for a key`,
		`json.encode(0/0)`:                                                                            `there is no JSON for a number that is none`,
		`local t = {} t.t = t json.encode(t)`:                                                         `nested too deep`,
	} {
		if got := answer(t, `local json = require "json" `+expression); !strings.Contains(got, want) {
			t.Errorf("%s: %s, want %s", expression, got, want)
		}
	}
}

// The module janus-sdp makes answers and offers.
func TestSDP(t *testing.T) {
	const prefix = `local sdp = require "janus-sdp" local offer = sdp.parse("v=0\r\no=- 1 2 IN IP4 1.1.1.1\r\ns=-\r\nt=0 0\r\n" ..
		"m=audio 9 UDP/TLS/RTP/SAVPF 111 0\r\na=rtpmap:111 opus/48000/2\r\na=rtpmap:0 PCMU/8000\r\n" ..
		"m=video 9 UDP/TLS/RTP/SAVPF 96 98\r\na=rtpmap:96 VP8/90000\r\na=rtpmap:98 VP9/90000\r\n") `
	for expression, want := range map[string]string{
		`return sdp.render(sdp.generateAnswer(offer, {audio = true, video = false}))`:                                    `m=video 0 `,
		`return sdp.render(sdp.generateAnswer(offer, {videoCodec = "vp9"}))`:                                             `VP9/90000`,
		`return sdp.render(sdp.generateAnswer(offer))`:                                                                   `VP8/90000`,
		`return sdp.render(sdp.generateOffer({audio = true, video = true, videoCodec = "h264", videoDir = "sendonly"}))`: `H264/90000`,
		`return sdp.render(sdp.generateOffer({data = true}))`:                                                            `m=application`,
		`return sdp.findPayloadType(offer, "VP9")`:                                                                       `98`,
		`return sdp.findPayloadType(offer, "av1")`:                                                                       `-1`,
		`return sdp.findCodec(offer, 0)`:                                                                                 `"pcmu"`,
		`return tostring(sdp.findCodec(offer, 500))`:                                                                     `"nil"`,
		`sdp.removePayloadType(offer, 96) return sdp.findPayloadType(offer, "vp8")`:                                      `-1`,
		`sdp.removeMLine(offer, "video") return sdp.findPayloadType(offer, "vp8")`:                                       `-1`,
		`sdp.parse("nonsense")`:                                                                                          `parse:`,
		`sdp.render({})`:                                                                                                 `no session description`,
	} {
		if got := answer(t, prefix+expression); !strings.Contains(got, want) {
			t.Errorf("%s: %s, want %s", expression, got, want)
		}
	}
}

// What handleMessage may return.
func TestOutcome(t *testing.T) {
	for returned, want := range map[string]string{
		`0, "{\"a\":1}"`: `{"a":1}`,
		`1, nil`:         "",
		`-1, "no"`:       "no",
		`-1, nil`:        "Lua error",
		`0, nil`:         "Lua error",
		`0`:              "Lua error",
		``:               "Lua error",
		`1, nil, 3`:      "Lua error",
		`"x", "y"`:       "Lua error",
		`0, "{"`:         "Lua error",
		`0, "[1]"`:       "Plugin returned an invalid JSON response",
		`error("oops")`:  "Lua error",
	} {
		core := run(t, "", "function handleMessage() return "+returned+" end")
		res := core.Attach(plugintest.Options{}).Message("t", `{}`, nil)
		if got := string(res.Data) + res.Failure; got != want || (res.Run == nil) != (want != "") {
			t.Errorf("%s: %q", returned, got)
		}
	}
}

// Errors are told with file and line, those that keep a script from being loaded included.
func TestErrorsHaveLines(t *testing.T) {
	core := run(t, "", "function handleMessage()\n  local x = nil\n  return x.y\nend")
	core.Attach(plugintest.Options{}).Message("t", `{}`, nil)
	core.AwaitLog("test.lua:12: attempt to index")
	for name, code := range map[string]string{
		"4: attempt to call": "\n\n\nnothing()", "2:": "\nfunction (",
		"bad.lua:2: lua callstack overflow": "\nlocal function f() return 1 + f() end\nf()",
	} {
		path := filepath.Join(t.TempDir(), "bad.lua")
		if err := os.WriteFile(path, []byte(code), 0o600); err != nil {
			t.Fatal(err)
		}
		in := newInterpreter(script.Setup{Path: path})
		if err := in.Run(); err == nil || !strings.Contains(err.Error(), name) && !strings.Contains(err.Error(), "line:2") {
			t.Errorf("%q: %v", code, err)
		}
	}
	if err := compile("/there/is/none.lua"); err == nil {
		t.Error("a missing file is none")
	}
}

// Loops are stopped, whatever they are in, and the script goes on. Coroutines of earlier calls
// are as they were.
func TestEndlessLoops(t *testing.T) {
	core := run(t, "time_limit = 500", `
kept = coroutine.wrap(function() while true do coroutine.yield("kept") end end)
kept()
function handleMessage(id, tx, msg)
  local what = require("json").decode(msg).what
  if what == "loop" then while true do end end
  if what == "pcall" then while true do pcall(function() while true do end end) end end
  if what == "coroutine" then coroutine.wrap(function() while true do end end)() end
  if what == "recursion" then local function f() return 1 + f() end f() end
  return 0, '{"answer":"' .. kept() .. '"}'
end`)
	c := core.Attach(plugintest.Options{})
	for _, what := range []string{"loop", "pcall", "coroutine", "recursion"} {
		if res := c.Message("t", `{"what":"`+what+`"}`, nil); res.Failure != "Lua error" {
			t.Errorf("%s: %+v", what, res)
		}
		if res := c.Message("t", `{}`, nil); string(res.Data) != `{"answer":"kept"}` {
			t.Errorf("after %s: %+v", what, res)
		}
	}
	if got := core.Admin(`{"request":"script_status"}`); !strings.Contains(got, `"failed":4,`) {
		t.Errorf("status %s", got)
	}
	core.AwaitLog("it took too long and was stopped")
}

// A script that keeps more and more is loaded again.
func TestLeak(t *testing.T) {
	core := run(t, "memory_limit = 8\n time_limit = 60000", `
kept = {}
function handleMessage(id, tx, msg)
  while true do kept[#kept + 1] = ("x"):rep(1000) .. #kept end
end`)
	c := core.Attach(plugintest.Options{})
	if res := c.Message("t", `{}`, nil); res.Failure != "Lua error" {
		t.Errorf("got %+v", res)
	}
	core.AwaitLog("loaded again, as it held too much memory")
	c.AwaitText("[detached]")
	if res := core.Attach(plugintest.Options{}); res.Query() == "" {
		t.Error("the script is gone")
	}
}

// A script that takes the packets sends them back itself.
func TestPackets(t *testing.T) {
	core := run(t, "", `
local sdp, json = require "janus-sdp", require "json"
rtcp = 0
function handleMessage(id, tx, msg, jsep)
  local answer = sdp.generateAnswer(sdp.parse(json.decode(jsep).sdp))
  pushEvent(id, tx, '{"result":"ok"}', json.encode({type = "answer", sdp = sdp.render(answer)}))
  return 1, nil
end
function incomingRtp(id, video, buf, len)
  if relayRtp(id, video, buf, len) ~= 0 then error("not relayed") end
end
function incomingRtcp(id, video, buf, len)
  if relayRtcp(id, video, buf, len) ~= 0 or #buf ~= len then error("not relayed") end
  rtcp = rtcp + 1
end
function incomingData(id, buf, len, label, protocol)
  relayTextData(id, "got " .. buf, len + 4, label, protocol)
end
function incomingBinaryData(id, buf, len) relayBinaryData(id, buf, len) end
function querySession(id) return json.encode({rtcp = rtcp}) end`)
	p, c := connect(t, core)
	waittest.Until(t, "audio and video come back", func() bool { return p.Heard.Count() > 3 && p.Seen.Count() > 3 })
	p.Heard.Clean(t)
	p.Seen.Clean(t)
	waittest.Closed(t, "the data channel", p.Open)
	p.Must(p.Channel.SendText("hellö"))
	p.ExpectText("got hellö")
	p.Must(p.Channel.Send([]byte{1, 0, 255}))
	p.ExpectText("<0100ff>")
	waittest.Until(t, "RTCP comes to the script", func() bool { return c.Query() != `{"rtcp":0}` })
	if strings.Contains(core.Log(), "not relayed") {
		t.Error(core.Log())
	}
}

// TestRecording: Janus's tool converts what a script has recorded.
func TestRecording(t *testing.T) {
	waittest.NoLeaks(t)
	folder := t.TempDir()
	core := run(t, "", fmt.Sprintf(`
local sdp, json = require "janus-sdp", require "json"
function setupMedia(id)
  if startRecording(id, "audio", "opus", %[1]q, "a", "video", "vp8", %[1]q, "v") ~= 0 then error("not recorded") end
  notifyEvent(id, '{"recording":true}')
end
function handleMessage(id, tx, msg, jsep)
  if not jsep then return 0, json.encode({result = stopRecording(id, "audio", "video")}) end
  local answer = sdp.generateAnswer(sdp.parse(json.decode(jsep).sdp))
  pushEvent(id, tx, '{"result":"ok"}', json.encode({type = "answer", sdp = sdp.render(answer)}))
  return 1, nil
end`, folder))
	core.RecordFilm(filepath.Join(folder, "v.mjr"), filepath.Join(folder, "a.mjr"))
}

// connect makes a client with audio, video and data.
func connect(t *testing.T, core *plugintest.Core) (*webrtctest.Peer, *plugintest.Client) {
	t.Helper()
	c := core.Connect(plugintest.Options{})
	return connectTo(t, c), c
}

func connectTo(t *testing.T, c *plugintest.Client) *webrtctest.Peer {
	t.Helper()
	p := webrtctest.NewPeer(t, webrtctest.Options{})
	p.AddChannel()
	c.Message("t", `{"audio":true,"video":true}`, c.Remote("offer", p.Offer(nil)))
	p.Accept(c.AwaitText(`"result":"ok"`).SDP)
	c.AwaitText("[webrtcup]")
	p.KeepPlaying(webrtctest.Pace{Packets: 2, Every: 20 * time.Millisecond})
	return p
}

func FuzzJSON(f *testing.F) {
	in := newInterpreter(script.Setup{}).(*interpreter)
	L := in.state
	L.SetGlobal("json", in.jsonModule(L))
	if err := L.DoString(`function again(text) return json.encode(json.decode(text)) end`); err != nil {
		f.Fatal(err)
	}
	for _, text := range []string{`{"a":[1,null,{"b":"x"}],"c":1.5e3}`, `[]`, `null`, `"\u00e9"`, `{"1":{}}`, `[[[[]]]]`} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		out, err := in.Call("again", []script.Value{text})
		if err != nil {
			return
		}
		once, _ := out[0].(string)
		out, err = in.Call("again", []script.Value{once})
		if err != nil || out[0] != once {
			t.Errorf("%q: %q, then %v, %v", text, once, out, err)
		}
	})
}

// A script chooses the layer of simulcast, and hears of it, also with an answer that knows
// nothing of header extensions.
func TestSimulcast(t *testing.T) {
	core := run(t, "", `
local sdp, json = require "janus-sdp", require "json"
function handleMessage(id, tx, msg, jsep)
  local substream = json.decode(msg).substream
  if substream then return setSubstream(id, substream), "{}" end
  local answer = sdp.render(sdp.generateAnswer(sdp.parse(json.decode(jsep).sdp))):gsub("a=extmap[^\r]*\r\n", "")
  pushEvent(id, tx, '{"result":"ok"}', json.encode({type = "answer", sdp = answer}))
  return 1, nil
end
function setupMedia(id)
  configureMedium(id, "video", "in", true)
  configureMedium(id, "video", "out", true)
  addRecipient(id, id)
end
function substreamChanged(id, n) pushEvent(id, nil, json.encode({substream = n}), nil) end`)
	c := core.Connect(plugintest.Options{})
	p := webrtctest.NewPeer(t, webrtctest.Options{RIDs: []string{"h", "m", "l"}})
	c.Message("t", `{}`, c.Remote("offer", p.Offer(nil)))
	p.Accept(c.AwaitText(`"result":"ok"`).SDP)
	c.AwaitText("[webrtcup]")
	p.KeepPlaying(webrtctest.Pace{Packets: 2, Every: 20 * time.Millisecond})
	c.AwaitText(`{"substream":2}`)
	for _, n := range []string{"0", "1"} {
		if res := c.Message("t", `{"substream":`+n+`}`, nil); res.Failure != "" {
			t.Errorf("got %+v", res)
		}
		c.AwaitText(`{"substream":` + n + `}`)
	}
	if c.Peer().Snapshot().Line == nil {
		t.Error("the client's line is not estimated")
	}
}
