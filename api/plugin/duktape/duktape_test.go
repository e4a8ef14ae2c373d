package duktape

import (
	"encoding/json"
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
var session;
function init(config) {}
function destroy() {}
function resumeScheduler() {}
function createSession(id) { session = id; }
function destroySession(id) {}
function querySession(id) { return JSON.stringify({id: id}); }
function setupMedia(id) {}
function hangupMedia(id) {}
`

// run starts the plugin with a script, whose functions stand behind the skeleton; settings are
// further lines of the file. It has modules.
func run(t *testing.T, settings, code string) *plugintest.Core {
	t.Helper()
	folder := t.TempDir()
	for name, text := range map[string]string{
		"test.js":    skeleton + code,
		"one.js":     "exports.name = module.id; exports.two = require('./sub/two').name;",
		"sub/two.js": "exports.name = module.id; exports.one = function () { return require('../one').name; };",
		"bad.js":     "nothing();",
	} {
		path := filepath.Join(folder, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return start(t, fmt.Sprintf("general: {\n script = %q\n path = %q\n %s\n}", filepath.Join(folder, "test.js"), folder, settings))
}

// answer is what a script answers that returns the value of an expression as a text.
func answer(t *testing.T, code string) string {
	t.Helper()
	core := run(t, "", `
function handleMessage(id, tx, msg, jsep) {
  try {
    return JSON.stringify({v: (function () { `+code+` })()});
  } catch (e) {
    return JSON.stringify({error: String(e)});
  }
}`)
	res := core.Attach(plugintest.Options{}).Message("t", `{"n":1}`, nil)
	return string(res.Data) + res.Failure
}

// What scripts for Duktape expect works.
func TestLibrary(t *testing.T) {
	for code, want := range map[string]string{
		`return getDuktapeVersion() === Duktape.version`:  `{"v":true}`,
		`return require("one").name + require("one").two`: `{"v":"onesub/two"}`,
		`return require("sub/two").one()`:                 `{"v":"one"}`,
		`return require("one") === require("./one")`:      `{"v":true}`,
		`return require("nothing")`:                       `no module nothing`,
		`return require("../one")`:                        `no module`,
		`return require("bad")`:                           `nothing is not defined`,
		`Duktape.modSearch = function (id, req, exports) { exports.x = id; }; return require("a/b").x`:                                                                          `{"v":"a/b"}`,
		`Duktape.modSearch = function (id) { return "module.exports = '" + id + "';"; }; return require("q")`:                                                                   `{"v":"q"}`,
		`Duktape.modSearch = function (id) { return readFile(getModulesFolder() + "/" + id + ".js"); }; return require("janus-sdp").parse !== undefined && require("one").name`: `{"v":"one"}`,
		`Duktape.modSearch = function (id) { return readFile("/none"); }; return require("q")`:                                                                                  `no such file`,
		`return Duktape.enc("hex", "aÿ") + Duktape.dec("hex", "4142")`:                                                                                                          `{"v":"61ffAB"}`,
		`return Duktape.enc("base64", "hello") + Duktape.dec("base64", "aGVsbG8=") + Duktape.enc("base64", "abc")`:                                                              `{"v":"aGVsbG8=helloYWJj"}`,
		`return Duktape.dec("jx", Duktape.enc("jc", {a: [1]})).a[0]`:                                                                                                            `{"v":1}`,
		`return Duktape.enc("rot13", "x")`: `TypeError: there is no format rot13`,
		`console.log("a", 1); console.warn("b"); console.error("c"); print("d"); return typeof alert`:   `{"v":"function"}`,
		`return typeof readFile(getModulesFolder() + "/one.js")`:                                        `{"v":"string"}`,
		`return readFile("/dev/zero")`:                                                                  `Error: `,
		`return addRecipient(session, 1)`:                                                               `{"error":"Error: addRecipient: no such session"}`,
		`return configureMedium(session, "audio", "in", 1)`:                                             `{"error":"Error: configureMedium: argument 4 is a number, not a boolean"}`,
		`return configureMedium(session, "audio", "in", true)`:                                          `{"v":0}`,
		`return configureMedium(String(session), "audio", "in", true)`:                                  `argument 1 is a string, not a number`,
		`return pushEvent(session, null, "{}")`:                                                         `pushEvent: 3 arguments, not 4`,
		`return pushEvent(session, undefined, "{}", null)`:                                              `{"v":0}`,
		`return timeCallback("x", function () {}, 1)`:                                                   `argument 2 is a function`,
		`return timeCallback("querySession", undefined, 1e9) + timeCallback("querySession", null, 1e9)`: `{"v":0}`,
		`return typeof janusLog`:                                                                        `{"v":"undefined"}`,
		`var a = [1, 2].map(function (x) { return x * 2; }); return a`:                                  `{"v":[2,4]}`,
	} {
		if got := answer(t, code); !strings.Contains(got, want) {
			t.Errorf("%s: %s, want %s", code, got, want)
		}
	}
}

// What handleMessage may return.
func TestOutcome(t *testing.T) {
	for returned, want := range map[string]string{
		`"{\"a\":1}"`: `{"a":1}`,
		`0`:           "",
		`1`:           "",
		`-1`:          "Duktape error",
		`""`:          "Duktape error",
		`null`:        "Duktape error",
		``:            "Duktape error",
		`{}`:          "Duktape error",
		`nothing()`:   "Duktape error",
		`"{"`:         "Duktape error",
		`"[1]"`:       "Plugin returned an invalid JSON response",
	} {
		core := run(t, "", "function handleMessage() { return "+returned+"; }")
		res := core.Attach(plugintest.Options{}).Message("t", `{}`, nil)
		if got := string(res.Data) + res.Failure; got != want || (res.Run == nil) != (want != "") {
			t.Errorf("%s: %q", returned, got)
		}
	}
}

// The module janus-sdp makes answers.
func TestSDP(t *testing.T) {
	const prefix = `var sdp = require("janus-sdp"); var offer = sdp.parse("v=0\r\no=- 1 2 IN IP4 1.1.1.1\r\ns=-\r\nt=0 0\r\n" +
		"m=video 9 UDP/TLS/RTP/SAVPF 96 98\r\na=rtpmap:96 VP8/90000\r\na=rtpmap:98 VP9/90000\r\n"); `
	for code, want := range map[string]string{
		`return sdp.render(sdp.generateAnswer(offer, {videoCodec: "vp9"}))`: `VP9/90000`,
		`return sdp.render(sdp.generateAnswer(offer, {video: false}))`:      `m=video 0 `,
		`return sdp.findPayloadType(offer, "vp9", null)`:                    `{"v":98}`,
		`return sdp.parse("x")`: `Error: parse: `,
		`return sdp.render({})`: `no session description`,
	} {
		if got := answer(t, prefix+code); !strings.Contains(got, want) {
			t.Errorf("%s: %s, want %s", code, got, want)
		}
	}
}

// Errors are told with file and line, those that keep a script from being loaded included.
func TestErrorsHaveLines(t *testing.T) {
	core := run(t, "", "function handleMessage() {\n  var x;\n  return x.y;\n}")
	core.Attach(plugintest.Options{}).Message("t", `{}`, nil)
	core.AwaitLog("test.js:13:")
	for want, code := range map[string]string{"bad.js:4": "\n\n\nnothing()", "Line 2:": "\nfunction ("} {
		path := filepath.Join(t.TempDir(), "bad.js")
		if err := os.WriteFile(path, []byte(code), 0o600); err != nil {
			t.Fatal(err)
		}
		in := newInterpreter(script.Setup{Path: path})
		if err := in.Run(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", code, err)
		}
	}
	if err := compile("/there/is/none.js"); err == nil {
		t.Error("a missing file is none")
	}
}

// Loops are stopped, whatever they are in, and the script goes on.
func TestEndlessLoops(t *testing.T) {
	core := run(t, "time_limit = 500", `
function handleMessage(id, tx, msg) {
  switch (JSON.parse(msg).what) {
  case "loop": while (true) {}
  case "catch": while (true) { try { while (true) {} } catch (e) {} finally {} }
  case "recursion": return (function f() { return 1 + f(); })();
  }
  return '{"fine":true}';
}`)
	c := core.Attach(plugintest.Options{})
	for _, what := range []string{"loop", "catch", "recursion"} {
		if res := c.Message("t", `{"what":"`+what+`"}`, nil); res.Failure != "Duktape error" {
			t.Errorf("%s: %+v", what, res)
		}
		if res := c.Message("t", `{}`, nil); string(res.Data) != `{"fine":true}` {
			t.Errorf("after %s: %+v", what, res)
		}
	}
	core.AwaitLog("it took too long and was stopped")
	if got := core.Admin(`{"request":"script_status"}`); !strings.Contains(got, `"failed":3,`) {
		t.Errorf("status %s", got)
	}
}

// A script that keeps more and more is loaded again.
func TestLeak(t *testing.T) {
	core := run(t, "memory_limit = 8\n time_limit = 60000", `
var kept = [];
function handleMessage(id, tx, msg) {
  var text = "x".repeat(5000);
  while (true) kept.push(text + kept.length);
}`)
	c := core.Attach(plugintest.Options{})
	if res := c.Message("t", `{}`, nil); res.Failure != "Duktape error" {
		t.Errorf("got %+v", res)
	}
	core.AwaitLog("loaded again, as it held too much memory")
	c.AwaitText("[detached]")
	if got := core.Attach(plugintest.Options{}).Query(); !strings.HasPrefix(got, `{"id":`) {
		t.Errorf("the script is gone: %s", got)
	}
}

// A script that takes the packets sends them back itself.
func TestPackets(t *testing.T) {
	core := run(t, "", `
var sdp = require("janus-sdp"), rtcp = 0;
function handleMessage(id, tx, msg, jsep) {
  var answer = sdp.generateAnswer(sdp.parse(JSON.parse(jsep).sdp));
  pushEvent(id, tx, '{"result":"ok"}', JSON.stringify({type: "answer", sdp: sdp.render(answer)}));
  return 1;
}
function incomingRtp(id, video, buf, len) { relayRtp(id, video, buf, len); }
function incomingRtcp(id, video, buf, len) {
  relayRtcp(id, video, buf, len);
  if (buf.length === len) rtcp++;
}
function incomingTextData(id, buf, len, label, protocol) {
  buf = "got " + buf;
  relayTextData(id, buf, buf.length, label, protocol);
}
function incomingBinaryData(id, buf, len) { relayBinaryData(id, buf, len); }
function querySession(id) { return JSON.stringify({rtcp: rtcp}); }`)
	c := core.Connect(plugintest.Options{})
	p := connectTo(t, c)
	waittest.Until(t, "audio and video come back", func() bool { return p.Heard.Count() > 3 && p.Seen.Count() > 3 })
	p.Heard.Clean(t)
	p.Seen.Clean(t)
	waittest.Closed(t, "the data channel", p.Open)
	p.Must(p.Channel.SendText("hellö €"))
	p.ExpectText("got hellö €")
	p.Must(p.Channel.Send([]byte{1, 0, 255}))
	p.ExpectText("<0100ff>")
	waittest.Until(t, "RTCP comes to the script", func() bool { return c.Query() != `{"rtcp":0}` })
}

// TestRecording: Janus's tool converts what a script has recorded.
func TestRecording(t *testing.T) {
	waittest.NoLeaks(t)
	folder := t.TempDir()
	core := run(t, "", fmt.Sprintf(`
var sdp = require("janus-sdp");
function setupMedia(id) {
	startRecording(id, "audio", "opus", %[1]q, "a", "video", "vp8", %[1]q, "v");
	notifyEvent(id, '{"recording":true}');
}
function handleMessage(id, tx, msg, jsep) {
	if (!jsep) return JSON.stringify({ result: stopRecording(id, "audio", "video") });
	var answer = sdp.generateAnswer(sdp.parse(JSON.parse(jsep).sdp));
	pushEvent(id, tx, '{"result":"ok"}', JSON.stringify({ type: "answer", sdp: sdp.render(answer) }));
	return 1;
}`, folder))
	core.RecordFilm(filepath.Join(folder, "v.mjr"), filepath.Join(folder, "a.mjr"))
}

// connectTo makes a client with audio, video and data.
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

// FuzzBorder: texts and bytes come back as they were.
func FuzzBorder(f *testing.F) {
	in := newInterpreter(script.Setup{}).(*interpreter)
	in.eval("test.js", `function same(x) { return x; } function again(x) { return JSON.stringify(JSON.parse(x)); }`)
	for _, text := range []string{`{"a":[1,null,{"b":"x"}],"c":1.5e3}`, "\xff\x00a", "é€", `"\ud800"`} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if got := in.fromJS(in.toJS(script.Bytes{Data: text, Binary: true}), true, 0); got != text {
			t.Errorf("bytes %q: %q", text, got)
		}
		out, err := in.Call("same", []script.Value{text})
		if valid := strings.ToValidUTF8(text, "\ufffd"); err != nil || valid == text && out[0] != text {
			t.Errorf("text %q: %q, %v", text, out, err)
		}
		if out, err := in.Call("again", []script.Value{text}); err == nil && !json.Valid([]byte(out[0].(string))) {
			t.Errorf("JSON %q: %q", text, out)
		}
	})
}
