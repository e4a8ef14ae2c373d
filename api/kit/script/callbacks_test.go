package script

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"bifrons/api/plugin/plugintest"
	"bifrons/sdp"
	"bifrons/sfu"
	"bifrons/sfu/media"
)

// sessionCalls are calls without the session's id, of which there is one.
func sessionCalls(list []string, id float64) (out []string) {
	for _, s := range list {
		out = append(out, strings.Replace(s, " "+format(id), "", 1))
	}
	return out
}

func format(id float64) string {
	v, _ := toText(id, false)
	return v.(string)
}

// The script hears of a session's life in order.
func TestLife(t *testing.T) {
	l := newLanguage()
	b := start(t, l, "")
	b.called()
	c, id := b.talk()
	c.Hangup()
	c.Detach()
	b.settle()
	var got []string
	for _, s := range sessionCalls(b.called(), id) {
		name, _, _ := strings.Cut(s, " ")
		got = append(got, name)
	}
	if want := []string{"createSession", "handleMessage", "setupMedia", "hangupMedia", "destroySession"}; !slices.Equal(got, want) {
		t.Errorf("called %v", got)
	}
	if b.p.Close(); !slices.Contains(b.l.calls, "destroy") {
		t.Errorf("at the end: %v", b.l.calls)
	}
}

func TestMessages(t *testing.T) {
	l := newLanguage()
	b := start(t, l, "")
	c, id := b.attach()
	for _, x := range []struct {
		out  []Value
		err  error
		want string
	}{
		{[]Value{`{"a": 1}`}, nil, `{"a":1}`},
		{[]Value{`{"a":`}, nil, "Test error"},
		{[]Value{`[]`}, nil, "Plugin returned an invalid JSON response"},
		{nil, errors.New("script:1: oops"), "script:1: oops"},
		{nil, nil, ""},
	} {
		l.on("handleMessage", func([]Value) ([]Value, error) { return x.out, x.err })
		res := c.Message("tx", `{"request":"x"}`, nil)
		if got := string(res.Data) + res.Failure; got != x.want || (res.Run != nil) != (x.want == "") {
			t.Errorf("%v, %v: %q", x.out, x.err, got)
		}
		b.settle()
	}
	b.called()
	c.Message("tx", `{"request":"x"}`, offer(t))
	got := sessionCalls(b.called(), id)
	if len(got) != 1 || !strings.HasPrefix(got[0], `handleMessage tx {"request": "x"} {"type": "offer", "sdp": "v=0\r\n`) {
		t.Errorf("called %v", got)
	}
	c.Message("tx", `{}`, nil)
	if got := sessionCalls(b.called(), id); got[0] != `handleMessage tx {} <nil>` {
		t.Errorf("called %v", got)
	}
}

// What is pushed while a message is looked at comes after its acknowledgement.
func TestAckFirst(t *testing.T) {
	l := newLanguage()
	b := start(t, l, "")
	c, id := b.attach()
	h := handleOf(c)
	l.on("handleMessage", func([]Value) ([]Value, error) {
		push := b.p.functions[slices.IndexFunc(b.p.functions, func(f Function) bool { return f.Name == "pushEvent" })]
		_, err := h.run.invoke(&push, []Value{id, "t", `{"x":1}`, nil})
		return nil, err
	})
	release := c.Hold()
	res := c.Handle.Message(message(t, "t"))
	if res.Run == nil {
		t.Fatalf("got %+v", res)
	}
	release()
	b.settle()
	if got := c.Events(); len(got) != 0 {
		t.Errorf("before the acknowledgement: %v", got)
	}
	res.Run()
	if got := c.Take(); got != `t {"x":1}` {
		t.Errorf("behind it: %s", got)
	}
}

func TestQuery(t *testing.T) {
	l := newLanguage()
	b := start(t, l, "")
	c, _ := b.attach()
	for _, x := range []struct {
		out  []Value
		err  error
		want string
	}{
		{[]Value{`{"a":1,"b":[2]}`}, nil, `{"a":1,"b":[2]}`},
		{[]Value{`{}`}, nil, `{}`},
		{[]Value{"nonsense"}, nil, `{}`},
		{[]Value{7.0}, nil, `{}`},
		{nil, nil, `{}`},
		{nil, errors.New("oops"), `{"error":"oops"}`},
	} {
		l.on("querySession", func([]Value) ([]Value, error) { return x.out, x.err })
		if got := c.Query(); got != x.want {
			t.Errorf("%v, %v: %s", x.out, x.err, got)
		}
	}
}

func TestAdmin(t *testing.T) {
	l := newLanguage()
	b := start(t, l, "")
	if got := b.core.Admin(`{"request":"x"}`); got != "{}" {
		t.Errorf("without the function: %s", got)
	}
	b.core.Replace(New(b.p.File.Folder, l.language()))
	l.on("handleAdminMessage", func(args []Value) ([]Value, error) { return args, nil })
	b = start(t, l, "")
	if got := b.core.Admin(`{"request":"x","n":1}`); got != `{"request":"x","n":1}` {
		t.Errorf("got %s", got)
	}
	l.on("handleAdminMessage", func([]Value) ([]Value, error) { return []Value{"x"}, nil })
	if got := b.core.Admin(`{}`); !strings.HasPrefix(got, `{"error":"the answer of the script: no JSON`) {
		t.Errorf("got %s", got)
	}
	l.on("handleAdminMessage", func([]Value) ([]Value, error) { return nil, errors.New("oops") })
	if got := b.core.Admin(`{}`); got != `{"error":"oops"}` {
		t.Errorf("got %s", got)
	}
	if got := b.core.Admin(`{"request":"script_status"}`); !strings.Contains(got, `"failed":1,`) || !strings.Contains(got, `"last_error":"handleAdminMessage: oops"`) {
		t.Errorf("status %s", got)
	}
}

func TestNews(t *testing.T) {
	l := newLanguage()
	for _, name := range []string{"slowLink", "substreamChanged", "temporalLayerChanged", "dataReady"} {
		l.returns(name)
	}
	b := start(t, l, "")
	c, id := b.talk()
	h := handleOf(c)
	b.called()
	c.Pass(sfu.Event{Kind: sfu.EventSlowLink, Section: 1, Uplink: true})
	b.settle()
	c.Pass(sfu.Event{Kind: sfu.EventSlowLink, Section: 0})
	h.DataReady()
	layer := sfu.Event{Kind: sfu.EventLayer, Section: 1, Layer: media.Layer{Encoding: 1, Spatial: -1, Temporal: 2}}
	c.Pass(layer) // of a stream with one encoding
	b.p.mu.Lock()
	h.sections[1].layering = 1
	b.p.mu.Unlock()
	b.ok("addRecipient", id, id)
	layer.Layer = media.Layer{Encoding: 2, Spatial: -1, Temporal: 2}
	c.Pass(layer)
	layer.Layer.Temporal = 0
	c.Pass(layer)
	want := []string{"slowLink true true", "slowLink false false", "dataReady", "substreamChanged 2", "temporalLayerChanged 0"}
	if got := sessionCalls(b.called(), id); !slices.Equal(got, want) {
		t.Errorf("called %q", got)
	}
}

func TestData(t *testing.T) {
	l := newLanguage()
	b := start(t, l, "")
	c, _ := b.attach()
	b.called()
	c.Data("label", "proto", false, []byte("hello"))
	if got := b.called(); len(got) != 0 {
		t.Errorf("a script without functions: %v", got)
	}
	for _, name := range []string{"incomingData", "incomingTextData", "incomingBinaryData"} {
		l.returns(name)
		b := start(t, l, "")
		c, id := b.attach()
		b.called()
		c.Data("label", "proto", false, []byte("hello"))
		c.Data("", "", true, []byte{1, 2})
		want := []string{name + " hello 5 label proto"}
		if name == "incomingBinaryData" {
			want = []string{"incomingTextData hello 5 label proto", name + " \x01\x02 2  "}
		}
		if got := sessionCalls(b.called(), id); !slices.Equal(got, want) {
			t.Errorf("called %q", got)
		}
	}
}

// An answer of the client's settles an offer of the script's.
func TestClientAnswers(t *testing.T) {
	b := start(t, newLanguage(), "")
	c, id := b.attachWith(plugintest.Options{Deaf: true})
	text := sdp.Offer(sdp.OfferOptions{Sections: []sdp.OfferSection{
		{Kind: sdp.Video, Codec: sdp.VP8, Direction: sdp.SendOnly}, {Kind: sdp.Audio, Codec: sdp.Opus, Direction: sdp.SendRecv},
	}}).String()
	b.ok("pushEvent", id, nil, `{}`, `{"type":"offer","sdp":`+quote(text)+`}`)
	c.AwaitText("{}")
	c.Message("t", `{}`, c.Answer())
	b.settle()
	h := handleOf(c)
	if len(h.sections) != 2 || h.sections[0].sends || !h.sections[0].accepts || !h.sections[1].sends {
		t.Errorf("sections %+v", h.sections)
	}
}
