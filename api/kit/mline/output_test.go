package mline

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"bifrons/api/plugin"
	"bifrons/sdp"
	"bifrons/sfu"
	"bifrons/sfu/media"
)

// ledger is an engine that writes down what it is told.
type ledger struct{ lines []string }

func (l *ledger) note(format string, args ...any) {
	l.lines = append(l.lines, fmt.Sprintf(format, args...))
}
func (l *ledger) Subscribe(s sfu.Subscription) {
	l.note("subscribe %d to %d paused=%v %v %v", s.Section, s.Track, s.Paused, s.Target, s.Fallback)
}
func (l *ledger) Unsubscribe(n int)          { l.note("unsubscribe %d", n) }
func (l *ledger) SetPaused(n int, held bool) { l.note("paused %d %v", n, held) }
func (l *ledger) SetTarget(n int, t media.Layer, d time.Duration) {
	l.note("target %d %v %v", n, t, d)
}
func (l *ledger) SetPlayoutDelay(n, least, most int) { l.note("delay %d %d %d", n, least, most) }

func (l *ledger) SetShare(section int, w sfu.Weight) {
	l.note("share %d %d %d", section, w.Priority, w.Max)
}

// The engine is told what has changed, and nothing else.
func TestOutput(t *testing.T) {
	var a, b sfu.Origin = new(sfu.Peer), new(sfu.Peer)
	layers := NewLayers()
	layers.Set(Read(parse(t, `{"substream":1,"spatial_layer":0,"fallback":5}`)))
	out := Output{Section: 3}
	for i, tt := range []struct {
		from Input
		held bool
		want string
	}{
		{Input{}, true, ""},
		{Input{Origin: a, Section: 1, Layering: Simulcast}, true, "subscribe 3 to 1 paused=true {1 -1 2} 5µs, delay 3 2 4"},
		{Input{Origin: a, Section: 1, Layering: Simulcast}, true, ""},
		{Input{Origin: a, Section: 1, Layering: Simulcast}, false, "paused 3 false"},
		{Input{Origin: a, Section: 1, Layering: SVC}, false, "target 3 {-1 0 2} 5µs"},
		{Input{Origin: a, Section: 2, Layering: SVC}, false, "subscribe 3 to 2 paused=false {-1 0 2} 5µs, delay 3 2 4"},
		{Input{Origin: b, Section: 2}, true, "subscribe 3 to 2 paused=true {-1 -1 -1} 5µs, delay 3 2 4"},
		{Input{}, true, "unsubscribe 3"},
		{Input{}, false, ""},
		{Input{Origin: b, Section: 2}, true, "subscribe 3 to 2 paused=true {-1 -1 -1} 5µs, delay 3 2 4"},
	} {
		var l ledger
		out.sync(&l, tt.from, tt.held, &layers, Delay{2, 4})
		if got := strings.Join(l.lines, ", "); got != tt.want {
			t.Errorf("%d: got %s, want %s", i, got, tt.want)
		}
		if out.Input() != tt.from || tt.from.Origin != nil && out.Held() != tt.held {
			t.Errorf("%d: forwards %+v, held %v", i, out.Input(), out.Held())
		}
	}
	var l ledger
	out.Forget()
	out.sync(&l, Input{Origin: b, Section: 2}, false, &layers, NoDelay)
	if got := strings.Join(l.lines, ", "); got != "subscribe 3 to 2 paused=false {-1 -1 -1} 5µs, delay 3 -1 -1" {
		t.Errorf("got %s", got)
	}
	out.Sync(nil, Input{}, true, &layers, NoDelay)
	out.Hold(nil, true)
	out.Retarget(nil, &layers)
	out.SetDelay(nil, NoDelay)
	if out.Input().Origin != b || out.Held() {
		t.Errorf("without a peer it forwards %+v, held %v", out.Input(), out.Held())
	}
}

func TestLayeringIn(t *testing.T) {
	offer := &plugin.JSEP{Simulcast: []plugin.Simulcast{{Index: 1}}, SVC: []plugin.SVC{{Index: 1}, {Index: 2}, {Index: 3}}}
	for _, tt := range []struct {
		section int
		codec   string
		want    Layering
	}{
		{0, sdp.VP9, Single}, {1, sdp.VP9, Simulcast}, {2, sdp.VP9, SVC}, {3, sdp.AV1, SVC}, {2, sdp.VP8, Single}, {2, "", Single},
	} {
		if got := LayeringIn(offer, tt.section, tt.codec); got != tt.want {
			t.Errorf("%d %s: got %d, want %d", tt.section, tt.codec, got, tt.want)
		}
	}
}

func TestAccepted(t *testing.T) {
	d, err := sdp.Parse("v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n" +
		"m=audio 9 UDP/TLS/RTP/SAVPF 0\r\nc=IN IP4 0.0.0.0\r\na=recvonly\r\n" +
		"m=audio 9 UDP/TLS/RTP/SAVPF 0\r\nc=IN IP4 0.0.0.0\r\na=inactive\r\n" +
		"m=audio 0 UDP/TLS/RTP/SAVPF 0\r\nc=IN IP4 0.0.0.0\r\na=recvonly\r\n" +
		"m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\nc=IN IP4 0.0.0.0\r\na=sctp-port:5000\r\n" +
		"m=audio 9 UDP/TLS/RTP/SAVPF 0\r\nc=IN IP4 0.0.0.0\r\na=sendonly\r\n")
	if err != nil {
		t.Fatal(err)
	}
	for section, want := range []bool{true, false, false, true, false, false} {
		if got := Accepted(d, section); got != want {
			t.Errorf("section %d: accepted is %v", section, got)
		}
	}
}
