package sctp

import (
	"bytes"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	pion "github.com/pion/sctp"

	"bifrons/rtp/waittest"
)

const (
	ppidDCEP   = pion.PayloadTypeWebRTCDCEP
	ppidText   = pion.PayloadTypeWebRTCString
	ppidBinary = pion.PayloadTypeWebRTCBinary
)

// raw is a peer on bare pion/sctp that can say anything.
type raw struct {
	t    *testing.T
	sctp *pion.Association
}

type rawStream struct {
	t *testing.T
	*pion.Stream
}

func newRaw(t *testing.T, w *wire, calls bool) *raw {
	t.Helper()
	var a *pion.Association
	var err error
	if calls {
		a, err = pion.ClientWithOptions(pion.WithNetConn(w), pion.WithMaxMessageSize(1<<20))
	} else {
		a, err = pion.ServerWithOptions(pion.WithNetConn(w), pion.WithMaxMessageSize(1<<20))
	}
	if err != nil {
		t.Fatal(err)
	}
	return &raw{t, a}
}

func (r *raw) stream(id uint16) rawStream {
	r.t.Helper()
	s, err := r.sctp.OpenStream(id, ppidText)
	if err != nil {
		r.t.Fatal(err)
	}
	return rawStream{r.t, s}
}

func (r *raw) accept() rawStream {
	r.t.Helper()
	s, err := r.sctp.AcceptStream()
	if err != nil {
		r.t.Fatal(err)
	}
	return rawStream{r.t, s}
}

// open opens a channel and waits for its ACK.
func (r *raw) open(id uint16, o open) rawStream {
	r.t.Helper()
	s := r.stream(id)
	s.say(ppidDCEP, string(o.marshal()))
	s.want(ppidDCEP, "\x02")
	return s
}

func (r *raw) close() { _ = r.sctp.Close() }

func (s rawStream) say(kind pion.PayloadProtocolIdentifier, text string) {
	s.t.Helper()
	if _, err := s.WriteSCTP([]byte(text), kind); err != nil {
		s.t.Fatal(err)
	}
}

func (s rawStream) want(kind pion.PayloadProtocolIdentifier, text string) {
	s.t.Helper()
	b := make([]byte, 1<<17)
	n, got, err := s.ReadSCTP(b)
	if err != nil || got != kind || string(b[:n]) != text {
		s.t.Fatalf("%v %.40q %v, want %v %.40q", got, b[:n], err, kind, text)
	}
}

// silent checks that nothing comes.
func (s rawStream) silent() {
	s.t.Helper()
	_ = s.SetReadDeadline(time.Now().Add(5 * time.Second))
	b := make([]byte, 100)
	if n, kind, err := s.ReadSCTP(b); err == nil {
		s.t.Fatalf("got %v %q", kind, b[:n])
	}
	_ = s.SetReadDeadline(time.Time{})
}

func withRaw(t *testing.T, calls bool, f func(*testing.T, *side, *raw)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		a, b := newWires(nil)
		s := start(a, true)
		r := newRaw(t, b, calls)
		f(t, s, r)
		r.close()
		stop(t, []*side{s}, a, b)
	})
}

// Whether the peer calls or waits, and across what it may say.
func TestPeerOpens(t *testing.T) {
	for _, calls := range []bool{true, false} {
		withRaw(t, calls, func(t *testing.T, s *side, r *raw) {
			x := r.open(5, open{label: "chat", protocol: "v1"})
			x.say(ppidText, "hello")
			x.say(ppidBinary, "\x00\x01")
			for _, want := range []string{"chat/v1/t/hello", "chat/v1/b/\x00\x01"} {
				if got := <-s.got; got != want {
					t.Error(got)
				}
			}
			if err := s.Send("chat", "another", true, []byte("reply")); err != nil {
				t.Fatal(err)
			}
			x.want(ppidBinary, "reply")
		})
	}
}

func TestIgnored(t *testing.T) {
	withRaw(t, true, func(t *testing.T, s *side, r *raw) {
		x := r.open(7, open{label: "a"})
		x.say(ppidDCEP, string(open{label: "b"}.marshal())) // in use
		x.say(99, "unknown")
		x.say(ppidDCEP, "\x02")
		x.say(ppidDCEP, "\x09")
		x.say(ppidText, "still a")
		if got := <-s.got; got != "a//t/still a" {
			t.Error(got)
		}
		x.silent()
		far := r.stream(maxStreams)
		far.say(ppidDCEP, string(open{label: "far"}.marshal()))
		far.say(ppidText, "lost")
		far.silent()
		if n := s.Stats(); n.Channels != 1 || n.Received != 1 || n.Discarded != 2 {
			t.Errorf("%+v", n)
		}
	})
}

// Empty messages have a byte that does not count (RFC 8831, 6.6), both ways.
func TestEmptyMessages(t *testing.T) {
	withRaw(t, true, func(t *testing.T, s *side, r *raw) {
		x := r.open(1, open{label: "x"})
		x.say(pion.PayloadTypeWebRTCStringEmpty, "\x00")
		x.say(pion.PayloadTypeWebRTCBinaryEmpty, "\x00")
		for _, want := range []string{"x//t/", "x//b/"} {
			if got := <-s.got; got != want {
				t.Errorf("%q", got)
			}
		}
		for i, kind := range []pion.PayloadProtocolIdentifier{pion.PayloadTypeWebRTCStringEmpty, pion.PayloadTypeWebRTCBinaryEmpty} {
			if err := s.Send("x", "", i == 1, nil); err != nil {
				t.Fatal(err)
			}
			x.want(kind, "\x00")
		}
		if n := s.Stats(); n != (Stats{1, 2, 2, 0, 0}) {
			t.Errorf("%+v", n)
		}
	})
}

// A stream that is used without an OPEN is a channel that was agreed on elsewhere,
// without a label as far as we know. It is what an answer without a label goes to.
func TestNegotiatedChannel(t *testing.T) {
	withRaw(t, true, func(t *testing.T, s *side, r *raw) {
		x := r.stream(7)
		x.say(ppidText, "hello")
		if got := <-s.got; got != "//t/hello" {
			t.Fatal(got)
		}
		if err := s.Send("", "", false, []byte("back")); err != nil {
			t.Fatal(err)
		}
		x.want(ppidText, "back")
		y := r.stream(8)
		y.say(pion.PayloadTypeWebRTCBinaryEmpty, "\x00")
		if got := <-s.got; got != "//b/" {
			t.Fatal(got)
		}
		// An OPEN that comes late is taken for what it says.
		y.say(ppidDCEP, string(open{label: "late", protocol: "v1"}.marshal()))
		y.want(ppidDCEP, "\x02")
		y.say(ppidText, "more")
		if got := <-s.got; got != "late/v1/t/more" {
			t.Fatal(got)
		}
		if err := s.Send("late", "", false, []byte("answer")); err != nil {
			t.Fatal(err)
		}
		y.want(ppidText, "answer")
		if n := s.Stats(); n.Channels != 2 || n.Discarded != 0 {
			t.Errorf("%+v", n)
		}
	})
}

func TestTooManyChannelsOfThePeer(t *testing.T) {
	withRaw(t, true, func(t *testing.T, s *side, r *raw) {
		for i := range uint16(maxChannels) {
			r.open(i, open{label: fmt.Sprint(i)})
		}
		x := r.stream(maxChannels)
		x.say(ppidDCEP, string(open{label: "one more"}.marshal()))
		x.silent()
		// One ends: there is room again.
		_ = r.stream(3).Close()
		waittest.Pass(5 * time.Second)
		r.open(maxChannels+1, open{label: "another"})
	})
}

// A peer that runs through stream numbers is cut off.
func TestTooManyStreams(t *testing.T) {
	withRaw(t, true, func(t *testing.T, s *side, r *raw) {
		for id := range uint16(2 * maxStreams) {
			x, err := r.sctp.OpenStream(id, ppidText)
			if err != nil {
				break
			}
			if _, err := x.WriteSCTP([]byte("x"), ppidText); err != nil {
				break
			}
			waittest.Pass(time.Millisecond)
		}
		<-s.closed
	})
}

// Pieces in the deprecated way: by stream, and not beyond the limit.
func TestPartialMessages(t *testing.T) {
	withRaw(t, true, func(t *testing.T, s *side, r *raw) {
		x, y := r.open(1, open{label: "x"}), r.open(2, open{label: "y"})
		x.say(ppidStringPartial, "a")
		y.say(ppidBinaryPartial, "1")
		x.say(ppidStringPartial, "b")
		y.say(ppidBinary, "2")
		x.say(ppidText, "c")
		x.say(ppidText, "whole")
		got := map[string]bool{<-s.got: true, <-s.got: true, <-s.got: true}
		for _, want := range []string{"x//t/abc", "y//b/12", "x//t/whole"} {
			if !got[want] {
				t.Errorf("%q is missing in %v", want, got)
			}
		}
		piece := string(bytes.Repeat([]byte("p"), 40000))
		x.say(ppidStringPartial, piece)
		x.say(ppidStringPartial, piece)
		x.say(ppidStringPartial, "more")
		x.say(ppidText, "the end of too much")
		x.say(ppidText, "next")
		if got := <-s.got; got != "x//t/next" {
			t.Errorf("%.40q", got)
		}
		if n := s.Stats().Discarded; n != 1 {
			t.Error(n, "discarded")
		}
	})
}

// A message that is too long is thrown away; the channel goes on.
func TestOverlongMessage(t *testing.T) {
	withRaw(t, true, func(t *testing.T, s *side, r *raw) {
		x := r.open(1, open{label: "x"})
		for _, size := range []int{65537, 500_000} {
			x.say(ppidBinary, string(make([]byte, size)))
			x.say(ppidText, "next")
			if got := <-s.got; got != "x//t/next" {
				t.Errorf("%.40q", got)
			}
		}
		if n := s.Stats().Discarded; n != 2 {
			t.Error(n, "discarded")
		}
		s.calling.Lock()
		defer s.calling.Unlock()
		if n := len(s.scratch); n > maxMessage {
			t.Error("a buffer of", n, "bytes is kept")
		}
	})
}

// Unordered and unreliable channels answer in kind, and still deliver.
func TestUnreliableChannel(t *testing.T) {
	for _, kind := range []byte{0x80, 0x01, 0x81, 0x02, 0x82} {
		withRaw(t, true, func(t *testing.T, s *side, r *raw) {
			x := r.open(1, open{label: "x", kind: kind, reliability: 100})
			x.SetReliabilityParams(open{kind: kind, reliability: 100}.policy())
			for i := range 20 {
				x.say(ppidText, fmt.Sprint(i))
				<-s.got
				if err := s.Send("x", "", false, fmt.Append(nil, i)); err != nil {
					t.Fatal(err)
				}
				x.want(ppidText, fmt.Sprint(i))
			}
		})
	}
}

// The peer closes a channel: we close our direction, and the label is free for
// a channel of either side.
func TestReset(t *testing.T) {
	withRaw(t, true, func(t *testing.T, s *side, r *raw) {
		for round := range 3 {
			x := r.open(1, open{label: "x"})
			x.say(ppidText, "in")
			if got := <-s.got; got != "x//t/in" {
				t.Fatal(got)
			}
			if err := s.Send("x", "", false, []byte("out")); err != nil {
				t.Fatal(err)
			}
			x.want(ppidText, "out")
			if err := x.Close(); err != nil {
				t.Fatal(err)
			}
			if n, _, err := x.ReadSCTP(make([]byte, 9)); err == nil {
				t.Fatal("instead of our reset:", n)
			}
			waittest.Pass(3 * time.Second)
			if n := s.Stats().Channels; n != 0 {
				t.Fatalf("round %d: %d channels", round, n)
			}
		}
		// Our own channel, closed by the peer.
		for round := range 3 {
			if err := s.Send("y", "", false, []byte("out")); err != nil {
				t.Fatal(err)
			}
			y := r.accept()
			y.want(ppidDCEP, string(open{label: "y"}.marshal()))
			y.want(ppidText, "out")
			if id := y.StreamIdentifier(); id != uint16(2+2*round) {
				t.Error("stream", id)
			}
			_ = y.Close()
			waittest.Pass(3 * time.Second)
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		if n := len(s.streams); n != 0 {
			t.Error(n, "streams left")
		}
	})
}

// Streams are used again when all have been used once.
func TestStreamsAreUsedAgain(t *testing.T) {
	withRaw(t, true, func(t *testing.T, s *side, r *raw) {
		for i := range maxStreams {
			if err := s.Send("y", "", false, fmt.Append(nil, i)); err != nil {
				t.Fatal(i, err)
			}
			y := r.accept()
			y.want(ppidDCEP, string(open{label: "y"}.marshal()))
			y.want(ppidText, fmt.Sprint(i))
			_ = y.Close()
			waittest.Pass(3 * time.Second)
		}
	})
}
