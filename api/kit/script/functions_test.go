package script

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"bifrons/api/plugin/plugintest"
	"bifrons/sdp"
	"bifrons/sfu"
	"bifrons/sfu/media"
)

// What is wrong with arguments is told, and changes nothing.
func TestWrongArguments(t *testing.T) {
	b := start(t, newLanguage(), "")
	c, id := b.attach()
	const gone = float64(1 << 40)
	for _, x := range []struct {
		name string
		args []Value
		want string
	}{
		{"pokeScheduler", []Value{1.0}, "pokeScheduler: 1 arguments, not 0"},
		{"timeCallback", []Value{"f", nil}, "timeCallback: 2 arguments, not 3"},
		{"timeCallback", []Value{"f", nil, -1.0}, "timeCallback: -1 is no number of milliseconds"},
		{"timeCallback", []Value{"f", Alien("a function"), 1.0}, "timeCallback: argument 2 is a function, not a string or nothing"},
		{"pushEvent", []Value{id, nil, "{}"}, "pushEvent: 3 arguments, not 4"},
		{"pushEvent", []Value{gone, nil, "{}", nil}, "pushEvent: no such session"},
		{"pushEvent", []Value{id, nil, `{"a":`, nil}, "pushEvent: no JSON"},
		{"pushEvent", []Value{id, nil, "{}", `{"type":"offer"}`}, "pushEvent: jsep: "},
		{"pushEvent", []Value{id, nil, "{}", `{"type":"x","sdp":"v=0\r\no=- 1 2 IN IP4 1.1.1.1\r\ns=-\r\nt=0 0\r\nm=audio 0 RTP/AVP 0\r\n"}`}, "pushEvent: jsep: the type is neither"},
		{"notifyEvent", []Value{id, "x"}, "notifyEvent: no JSON"},
		{"closePc", []Value{gone}, "closePc: no such session"},
		{"endSession", []Value{"what"}, "endSession: argument 1 is a string, not a number"},
		{"configureMedium", []Value{gone, "audio", "in", true}, "configureMedium: no such session"},
		{"addRecipient", []Value{id, gone}, "addRecipient: no such session"},
		{"removeRecipient", []Value{gone, id}, "removeRecipient: no such session"},
		{"setBitrate", []Value{id}, "setBitrate: 1 arguments, not 2"},
		{"setPliFreq", []Value{gone, 1.0}, "setPliFreq: no such session"},
		{"setSubstream", []Value{gone, 1.0}, "setSubstream: no such session"},
		{"setTemporalLayer", []Value{gone, 1.0}, "setTemporalLayer: no such session"},
		{"sendPli", []Value{gone}, "sendPli: no such session"},
		{"relayRtp", []Value{id, true, "x", 1.0}, "relayRtp: no RTP packet"},
		{"relayRtp", []Value{id, true, "x", -1.0}, "relayRtp: -1 is no length"},
		{"relayRtcp", []Value{id, true, "xxxx", 4.0}, "relayRtcp: no RTCP compound"},
		{"relayTextData", []Value{id, "x", 1.0}, "relayTextData: data channels are not ready"},
		{"relayData", []Value{id, "x", 1.0}, "relayData: data channels are not ready"},
		{"relayBinaryData", []Value{gone, "x", 1.0, "a", "b"}, "relayBinaryData: no such session"},
		{"startRecording", []Value{id, "audio", "opus", nil}, "startRecording: 4 arguments, not 5 to 13"},
		{"startRecording", []Value{id, "audio", "opus", nil, nil, "video"}, "startRecording: 6 arguments, not 5, 9 or 13"},
		{"startRecording", []Value{id, "smell", "opus", nil, nil}, `startRecording: no medium "smell"`},
		{"startRecording", []Value{id, "audio", "theora", nil, nil}, "startRecording: nothing is recorded"},
		{"stopRecording", []Value{id}, "stopRecording: 1 arguments, not 2 to 4"},
	} {
		if v, err := b.do(x.name, x.args...); err == nil || !strings.HasPrefix(err.Error(), x.want) || v != nil {
			t.Errorf("%s%v: %v, %v", x.name, x.args, v, err)
		}
	}
	// What there is nothing to do about is no error.
	b.ok("configureMedium", id, "smell", "in", true)
	b.ok("stopRecording", id, "smell")
	b.ok("relayRtp", id, true, "\x80\x60aabbbbcccc", 12.0)
	b.ok("relayRtcp", id, true, "\x80\xc9\x00\x01\x00\x00\x00\x01", 8.0)
	if v := b.ok("pushEvent", id, nil, "[1]", nil); v != noObject {
		t.Errorf("pushEvent returns %v", v)
	}
	if got := c.Take(); got != "" {
		t.Errorf("the client hears %s", got)
	}
}

// Without strictness arguments are converted.
func TestConversions(t *testing.T) {
	for _, x := range []struct {
		v            Value
		t            Type
		want, strict Value // nil = refused
	}{
		{"12", Number, 12.0, nil},
		{" 1e3 ", Number, 1000.0, nil},
		{"x", Number, nil, nil},
		{3.9, Number, 3.0, 3.0},
		{1e300, Number, nil, nil},
		{true, Number, nil, nil},
		{nil, Bool, false, nil},
		{"", Bool, true, nil},
		{0.0, Bool, true, nil},
		{false, Bool, false, false},
		{12.0, Text, "12", nil},
		{"a", Text, "a", "a"},
		{nil, Text, nil, nil},
		{true, Text, nil, nil},
		{Alien("a table"), Any, Alien("a table"), Alien("a table")},
	} {
		for strict, want := range map[bool]Value{false: x.want, true: x.strict} {
			if got, ok := convert(x.v, x.t, strict); ok != (want != nil) || ok && got != want {
				t.Errorf("%v as %v, strict %v: %v, %v", x.v, x.t, strict, got, ok)
			}
		}
	}
}

func TestPushEvent(t *testing.T) {
	b := start(t, newLanguage(), "")
	c, id := b.attach()
	b.ok("pushEvent", id, "t1", ` {"a" : 1}`, nil)
	b.ok("pushEvent", id, nil, `{"b":2}`, nil)
	if got := c.Take(); got != "t1 {\"a\":1}\n{\"b\":2}" {
		t.Errorf("got %s", got)
	}
	b.ok("pushEvent", id, "t2", `{}`, `{"type":"OFFER","sdp":"v=0\r\no=- 1 2 IN IP4 1.1.1.1\r\ns=-\r\nt=0 0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=rtpmap:111 opus/48000/2\r\n"}`)
	c.AwaitText("t2 {}")
	if list := c.JSEPs(); len(list) != 1 || list[0].SDP.Type != sdp.TypeOffer || len(list[0].SDP.Sections[0].Extensions) == 0 {
		t.Errorf("descriptions %+v", list)
	}
}

// A script that pushes and pushes is told so.
func TestPushLimit(t *testing.T) {
	b := start(t, newLanguage(), "")
	c, id := b.attach()
	release := c.Hold()
	defer release()
	var err error
	b.p.ask(plugintest.Patience, func(r *run) {
		push := b.p.functions[slices.IndexFunc(b.p.functions, func(f Function) bool { return f.Name == "pushEvent" })]
		for n := 0; n < maxPushes; n++ {
			if _, err := r.invoke(&push, []Value{id, nil, "{}", nil}); err != nil {
				t.Errorf("event %d: %v", n, err)
				return
			}
		}
		_, err = r.invoke(&push, []Value{id, nil, "{}", nil})
	})
	if err == nil {
		t.Error("there is room without end")
	}
	release()
	if n := strings.Count(c.Take(), "{}"); n != maxPushes {
		t.Errorf("%d events", n)
	}
}

func TestNotifyEvent(t *testing.T) {
	b := start(t, newLanguage(), "")
	c, id := b.attach()
	if v := b.ok("eventsIsEnabled"); v != 1.0 {
		t.Errorf("enabled: %v", v)
	}
	b.ok("notifyEvent", id, `{"of":"handle"}`)
	b.ok("notifyEvent", 0.0, `{"of":"nobody"}`)
	if got := c.Notices(); !slices.Equal(got, []string{`{"of":"handle"}`}) {
		t.Errorf("of the handle: %v", got)
	}
	if got := b.core.Notices(); !slices.Contains(got, `{"of":"nobody"}`) {
		t.Errorf("of none: %v", got)
	}
	b = startWith(t, newLanguage(), "", plugintest.Config{NoNotices: true})
	if v := b.ok("eventsIsEnabled"); v != 0.0 {
		t.Errorf("enabled: %v", v)
	}
	b.ok("notifyEvent", 0.0, `{}`)
}

func TestTimers(t *testing.T) {
	l := newLanguage()
	heard := make(chan []Value, 2)
	l.on("ring", func(args []Value) ([]Value, error) { heard <- args; return nil, nil })
	b := start(t, l, "")
	b.ok("timeCallback", "ring", "now", 0.0)
	if got := <-heard; !slices.Equal(got, []Value{"now"}) {
		t.Errorf("called with %v", got)
	}
	b.ok("timeCallback", "ring", nil, 1.0)
	if got := <-heard; len(got) != 0 {
		t.Errorf("called with %v", got)
	}
	b.ok("timeCallback", "nothing", nil, 0.0) // of which the log is told
	b.core.AwaitLog("there is no such function")
	b.called()
	for range maxTimers {
		if _, err := b.timer(); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := b.timer(); err == nil {
		t.Error("there are timers without end")
	}
}

func (b *bench) timer() (v Value, err error) {
	b.p.ask(plugintest.Patience, func(r *run) { err = r.after(maxDelay, "ring", nil) })
	return nil, err
}

func TestScheduler(t *testing.T) {
	l := newLanguage()
	b := start(t, l, "")
	b.called()
	b.ok("pokeScheduler")
	b.ok("pokeScheduler")
	if got := b.called(); !slices.Equal(got, []string{"resumeScheduler", "resumeScheduler"}) {
		t.Errorf("called %v", got)
	}
	b.p.ask(plugintest.Patience, func(r *run) {
		for range 2 * maxPokes {
			r.poke()
		}
	})
	if n := len(b.called()); n != maxPokes {
		t.Errorf("called %d times", n)
	}
}

func TestEndAndClose(t *testing.T) {
	b := start(t, newLanguage(), "")
	c, id := b.attachWith(plugintest.Options{Deaf: true})
	b.ok("closePc", id)
	if c.Closed() != 1 {
		t.Error("not closed")
	}
	b.called()
	b.ok("endSession", id)
	c.AwaitText("[detached]")
	if got := b.called(); len(got) != 1 || !strings.HasPrefix(got[0], "destroySession") {
		t.Errorf("called %v", got)
	}
	if _, err := b.do("closePc", id); !errors.Is(err, errNoSession) {
		t.Errorf("afterwards: %v", err)
	}
	b.ok("testExtraFunction")
}

// handleOf is a client's session.
func handleOf(c *plugintest.Client) *handle { return c.Handle.(*handle) }

// talk makes a client that sends audio and video and takes both.
func (b *bench) talk() (*plugintest.Client, float64) {
	b.t.Helper()
	c, id := b.attachWith(plugintest.Options{Deaf: true})
	b.l.returns("handleMessage")
	c.Message("t", `{}`, offer(b.t))
	b.settle()
	answer := sdp.Answer(offer(b.t).SDP, sdp.AnswerOptions{}).String()
	b.ok("pushEvent", id, "t", `{"x":1}`, `{"type":"answer","sdp":`+quote(answer)+`}`)
	c.AwaitText(`"x":1`)
	c.Establish()
	b.settle()
	return c, id
}

func quote(s string) string { return `"` + strings.ReplaceAll(s, "\r\n", `\r\n`) + `"` }

// gets is which sections of whom a session gets, and whether they are held.
func (b *bench) gets(c *plugintest.Client) (list []any) {
	b.t.Helper()
	h := handleOf(c)
	b.p.mu.Lock()
	defer b.p.mu.Unlock()
	for n := range h.outs {
		in := h.outs[n].Input()
		if in.Origin == nil {
			list = append(list, nil)
			continue
		}
		for id, s := range b.p.sessions {
			if s.Host.Peer() == in.Origin {
				list = append(list, float64(id), h.outs[n].Held())
			}
		}
	}
	return list
}

// What a session sends goes to its recipients past the script, as the flags say.
func TestRelaying(t *testing.T) {
	b := start(t, newLanguage(), "")
	ann, a := b.talk()
	bob, o := b.talk()
	want := func(c *plugintest.Client, what string, want ...any) {
		t.Helper()
		if got := b.gets(c); !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", what, got, want)
		}
	}
	want(bob, "at the beginning", nil, nil)
	b.ok("addRecipient", a, o)
	b.ok("addRecipient", a, o)
	want(bob, "without flags", a, true, a, true)
	b.ok("configureMedium", a, "audio", "out", true)
	want(bob, "with one flag", a, true, a, true)
	b.ok("configureMedium", o, "audio", "in", true)
	want(bob, "with both", a, false, a, true)
	b.ok("addRecipient", o, o)
	want(bob, "with another sender that sends nothing", a, false, o, true)
	b.ok("configureMedium", o, "video", "anything", true)
	b.ok("configureMedium", o, "video", "in", true)
	want(bob, "with a sender for each", a, false, o, false)
	b.ok("removeRecipient", o, o)
	b.ok("removeRecipient", o, o)
	want(bob, "with one again", a, false, a, true)
	want(ann, "for the other", nil, nil)
	ann.Hangup()
	b.settle()
	want(bob, "after the hangup", nil, nil)
	b.ok("addRecipient", a, o)
	ann.Detach()
	b.settle()
	want(bob, "after the end", nil, nil)
}

// A hangup takes back everything that was set.
func TestHangupResets(t *testing.T) {
	b := start(t, newLanguage(), "")
	c, id := b.talk()
	b.ok("configureMedium", id, "data", "in", true)
	b.ok("configureMedium", id, "data", "out", true)
	b.ok("setBitrate", id, 5000.0)
	b.ok("setPliFreq", id, 5.0)
	b.ok("setSubstream", id, 1.0)
	b.ok("setTemporalLayer", id, 0.0)
	b.ok("setTemporalLayer", id, 7.0)
	b.ok("sendPli", id)
	h := handleOf(c)
	if got := h.layers.Target(1); got != (media.Layer{Encoding: 1, Spatial: -1, Temporal: 0}) {
		t.Errorf("target %+v", got)
	}
	if h.bitrate != 5000 || h.period == 0 || !h.accepts[2] || !h.sends[2] {
		t.Errorf("set are %+v", h.relaying)
	}
	c.Hangup()
	b.settle()
	if h.bitrate != 0 || h.period != 0 || h.accepts != [3]bool{} || h.sends != [3]bool{} || h.sections != nil || h.up {
		t.Errorf("left is %+v", h.relaying)
	}
	if got := h.layers.Target(1); got.Encoding != 2 || got.Temporal != 2 {
		t.Errorf("target %+v", got)
	}
}

// RTCP of a script has the engine do what it asks for.
func TestRelayRTCP(t *testing.T) {
	b := start(t, newLanguage(), "")
	_, id := b.talk()
	const pli = "\x81\xce\x00\x02\x00\x00\x00\x01\x00\x00\x00\x02"
	b.ok("relayRtcp", id, true, pli, float64(len(pli)))
	b.ok("relayRtcp", id, true, "\x80\xc9\x00\x01\x00\x00\x00\x01", 8.0)
}

// A packet of a script goes by a source, which is then what the session gets.
func TestRelayRTP(t *testing.T) {
	b := start(t, newLanguage(), "")
	c, id := b.talk()
	const packet = "\x80\x60\x00\x01\x00\x00\x00\x01\x00\x00\x00\x02xyz"
	b.ok("relayRtp", id, false, packet, float64(len(packet)))
	h := handleOf(c)
	if h.feeds[0] == nil || h.feeds[1] != nil || h.outs[0].Input().Origin != sfu.Origin(h.feeds[0].source) {
		t.Errorf("feeds %v", h.feeds)
	}
	var err error
	b.p.ask(plugintest.Patience, func(r *run) {
		relay := b.p.functions[slices.IndexFunc(b.p.functions, func(f Function) bool { return f.Name == "relayRtp" })]
		r.relayed = maxRelayed
		_, err = r.invoke(&relay, []Value{id, false, packet, float64(len(packet))})
	})
	if err == nil {
		t.Error("one call may relay without end")
	}
}

func TestRecording(t *testing.T) {
	folder := t.TempDir()
	b := start(t, newLanguage(), "")
	c, id := b.talk()
	b.ok("startRecording", id, "audio", "opus/fmtp=useinbandfec=1", folder, "a", "video", "vp8", folder, "v", "data", "", folder, "d")
	if _, err := b.do("startRecording", id, "audio", "opus", folder, "again"); err == nil {
		t.Error("the same medium is recorded twice")
	}
	h := handleOf(c)
	for k, name := range map[sdp.Kind]string{sdp.Audio: "a.mjr", sdp.Video: "v.mjr", sdp.Application: "d.mjr"} {
		if got := h.recordings.File(int(k)); got != name {
			t.Errorf("%v goes to %q", k, got)
		}
		if _, err := os.Stat(filepath.Join(folder, name)); err != nil {
			t.Error(err)
		}
	}
	b.ok("stopRecording", id, "audio", "data")
	if h.recordings.Records(int(sdp.Audio)) || !h.recordings.Records(int(sdp.Video)) {
		t.Error("others were stopped")
	}
	b.ok("startRecording", id, "audio", "opus", folder, nil)
	if got := h.recordings.FinalPath(int(sdp.Audio)); filepath.Dir(got) != folder {
		t.Errorf("without a name it is %s", got)
	}
	c.Hangup()
	b.settle()
	if h.recordings.Any() {
		t.Error("recordings go on without a connection")
	}
}

// Protected folders stay so.
func TestRecordingProtected(t *testing.T) {
	b := startWith(t, newLanguage(), "", plugintest.Config{Protected: func(string) bool { return true }})
	_, id := b.talk()
	if _, err := b.do("startRecording", id, "audio", "opus", t.TempDir(), "a"); err == nil {
		t.Error("it is recorded")
	}
}
