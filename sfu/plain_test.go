package sfu

import (
	"bytes"
	"fmt"
	"net"
	"net/netip"
	"testing"
	"time"

	"bifrons/dtls/srtp"
	"bifrons/rtp"
	"bifrons/rtp/rtcp"
	"bifrons/rtp/waittest"
	"bifrons/sfu/media"
)

// heard is a SourceHandler that queues.
type heard struct {
	events chan Event
	data   chan string
}

func newHeard() *heard { return &heard{make(chan Event, 64), make(chan string, 64)} }

func (h *heard) SourceEvent(ev Event) { h.events <- ev }
func (h *heard) SourceData(_ int, binary bool, payload []byte) {
	kind := "text:"
	if binary {
		kind = "binary:"
	}
	h.data <- kind + string(payload)
}

// wire is a UDP socket of a test.
type wire struct {
	t    *testing.T
	conn *net.UDPConn
}

func newWire(t *testing.T) *wire {
	t.Helper()
	c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return &wire{t, c}
}

func (w *wire) addr() netip.AddrPort { return w.conn.LocalAddr().(*net.UDPAddr).AddrPort() }

func (w *wire) send(port uint16, b []byte) {
	w.t.Helper()
	to := netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), port)
	if _, err := w.conn.WriteToUDPAddrPort(b, to); err != nil {
		w.t.Fatal(err)
	}
}

func (w *wire) receive() []byte {
	w.t.Helper()
	b := make([]byte, 2000)
	_ = w.conn.SetReadDeadline(time.Now().Add(patience))
	n, err := w.conn.Read(b)
	if err != nil {
		w.t.Fatal(err)
	}
	return b[:n]
}

// rtpPacket is an Opus packet with an audio level in extension 1.
func rtpPacket(seq uint16, ts, ssrc uint32, payload string) []byte {
	b := make([]byte, rtp.FixedHeaderLen, 200)
	rtp.FixedHeader{PayloadType: 111, SequenceNumber: seq, Timestamp: ts, SSRC: ssrc}.Put(b)
	b = append(b, 0xbe, 0xde, 0, 1, 1<<4, 20, 0, 0)
	rtp.SetExtensionBit(b)
	return append(b, payload...)
}

func opusStream() TrackConfig {
	return TrackConfig{
		Kind:  media.Audio,
		Codec: media.Codec{Name: media.Opus, PayloadType: 96, ClockRate: 48000},
		Ext:   media.ExtensionIDs{AudioLevel: 1},
	}
}

func newSource(t *testing.T, e *Engine, h SourceHandler, cfg SourceConfig) *Source {
	t.Helper()
	s, err := e.NewSource(cfg, h)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

var anyLoopback = Bind{Addr: netip.AddrFrom4([4]byte{127, 0, 0, 1})}

func TestPlainForward(t *testing.T) {
	waittest.NoLeaks(t)
	e := newEngine(t, nil)
	h := newHeard()
	stream := opusStream()
	stream.LevelWindow = 2
	s := newSource(t, e, h, SourceConfig{Tracks: []TrackConfig{stream}})
	in, err := s.ListenRTP(anyLoopback, 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	raw, stamped := newWire(t), newWire(t)
	forward := func(f Forward) *Forwarder {
		w, err := e.Forward(s, 0, f)
		if err != nil {
			t.Fatal(err)
		}
		return w
	}
	forward(Forward{To: raw.addr()})
	w := forward(Forward{To: stamped.addr(), SSRC: 77, PayloadType: 100})

	// The source changes: one output shows that, the other goes on.
	from := newWire(t)
	from.send(in, rtpPacket(65535, 1000, 5, "one"))
	from.send(in, rtpPacket(0, 1960, 5, "two"))
	from.send(in, rtpPacket(3000, 50, 6, "three"))
	var last rtp.Header
	for i, want := range []string{"one", "two", "three"} {
		var a, b rtp.Header
		x, y := raw.receive(), stamped.receive()
		if a.Parse(x) != nil || b.Parse(y) != nil {
			t.Fatal("not RTP")
		}
		if !bytes.HasSuffix(x, []byte(want)) || !bytes.HasSuffix(y, []byte(want)) {
			t.Fatalf("got %q and %q, want %q", x, y, want)
		}
		if _, ok := a.FindExtension(x, 1); !ok || a.PayloadType != 96 {
			t.Errorf("%q: extension %v, payload type %d", want, ok, a.PayloadType)
		}
		if b.SSRC != 77 || b.PayloadType != 100 {
			t.Errorf("%q: SSRC %d, payload type %d", want, b.SSRC, b.PayloadType)
		}
		if i > 0 && (b.SequenceNumber != last.SequenceNumber+1 || int32(b.Timestamp-last.Timestamp) <= 0) {
			t.Errorf("%q: %d@%d follows %d@%d", want, b.SequenceNumber, b.Timestamp, last.SequenceNumber, last.Timestamp)
		}
		last = b
	}
	if ev := <-h.events; ev.Kind != EventMedia || !ev.Receiving {
		t.Errorf("first event %+v", ev)
	}
	if ev := <-h.events; ev.Kind != EventAudioLevel || ev.AudioLevel != 20 {
		t.Errorf("second event %+v", ev)
	}
	if _, ok := s.Age(0); !ok {
		t.Error("no age")
	}
	w.Close()
}

func TestPlainSRTP(t *testing.T) {
	waittest.NoLeaks(t)
	e := newEngine(t, nil)
	key := &SRTPKey{Profile: srtp.AES128CMSHA132, Key: bytes.Repeat([]byte{1}, 16), Salt: bytes.Repeat([]byte{2}, 14)}
	s := newSource(t, e, newHeard(), SourceConfig{Tracks: []TrackConfig{opusStream()}, SRTP: key})
	in, err := s.ListenRTP(anyLoopback, 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	to, from := newWire(t), newWire(t)
	out := &SRTPKey{Profile: srtp.AES128CMSHA180, Key: bytes.Repeat([]byte{3}, 16), Salt: bytes.Repeat([]byte{4}, 14)}
	if _, err := e.Forward(s, 0, Forward{To: to.addr(), SRTP: out}); err != nil {
		t.Fatal(err)
	}
	sealer, _ := srtp.NewSender(key.Profile, key.Key, key.Salt)
	opener, _ := srtp.NewReceiver(out.Profile, out.Key, out.Salt)
	var state srtp.StreamState
	for i := range 3 {
		from.send(in, rtpPacket(9, 0, uint32(6-i), "in the clear")) // changes nothing
		b := rtpPacket(uint16(65534+i), uint32(i)*960, 5, "secret")
		head := len(b) - len("secret")
		n, err := sealer.SealRTP(b[:cap(b)], head, b[head:], uint32(i)/2)
		if err != nil {
			t.Fatal(err)
		}
		from.send(in, b[:n])
		got := to.receive()
		var hd rtp.Header
		if err := hd.Parse(got); err != nil {
			t.Fatal(err)
		}
		if n, err = opener.OpenRTP(&state, got, hd.HeaderLen); err != nil {
			t.Fatalf("packet %d: %v", i, err)
		}
		if !bytes.HasSuffix(got[:n], []byte("secret")) {
			t.Fatalf("got %q", got[:n])
		}
	}
	if e.Drops()[media.DropSRTPAuth] != 3 {
		t.Error("a packet that was not SRTP was not refused")
	}
}

// TestPlainFeedback passes a request for a key frame from the receiver of a
// forwarder to the source.
func TestPlainFeedback(t *testing.T) {
	waittest.NoLeaks(t)
	e := newEngine(t, nil)
	s := newSource(t, e, newHeard(), SourceConfig{Tracks: []TrackConfig{{
		Kind: media.Video, Codec: media.Codec{Name: media.VP8, PayloadType: 96, ClockRate: 90000},
	}}})
	in, err := s.ListenRTP(anyLoopback, 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	back, err := s.ListenRTCP(anyLoopback, 0)
	if err != nil {
		t.Fatal(err)
	}
	rtpOut, rtcpOut, from := newWire(t), newWire(t), newWire(t)
	f, err := e.Forward(s, 0, Forward{To: rtpOut.addr(), RTCP: rtcpOut.addr()})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if b := rtcpOut.receive(); len(b) != rtp.FixedHeaderLen {
			t.Fatalf("latched by %x", b)
		}
	}
	from.send(in, rtpPacket(1, 0, 5, "\x10not a key frame"))
	rtpOut.receive()
	from.send(back, rtcp.AppendRR(nil, 5, nil))
	rtcpOut.send(f.RTCPPort(), rtcp.AppendPLI(nil, rtcp.Ends{Sender: 1, Media: 5}))
	it := rtcp.Parse(from.receive())
	if !it.Next() {
		t.Fatal("not RTCP")
	}
	if fb, ok := it.Packet.Feedback(); !ok || !fb.IsPLI() || fb.Media != 5 {
		t.Fatalf("the source got %x", it.Packet.Raw)
	}
}

// TestOriginKeyframes asks an origin for key frames without knowing what it is.
func TestOriginKeyframes(t *testing.T) {
	waittest.NoLeaks(t)
	e := newEngine(t, nil)
	h := newHeard()
	video := TrackConfig{Kind: media.Video, Codec: media.Codec{Name: media.VP8, PayloadType: 96, ClockRate: 90000}}
	s := newSource(t, e, h, SourceConfig{Tracks: []TrackConfig{opusStream(), video, video}})
	from := newWire(t)
	for i, ssrc := range []uint32{4, 5, 6} {
		in, err := s.ListenRTP(anyLoopback, i, 0)
		if err != nil {
			t.Fatal(err)
		}
		back, err := s.ListenRTCP(anyLoopback, i)
		if err != nil {
			t.Fatal(err)
		}
		from.send(back, rtcp.AppendRR(nil, ssrc, nil))
		from.send(in, rtpPacket(1, 0, ssrc, "\x10not a key frame"))
		if ev := <-h.events; ev.Kind != EventMedia || ev.Section != i {
			t.Fatalf("event %+v", ev)
		}
	}
	asked := func() uint32 {
		t.Helper()
		it := rtcp.Parse(from.receive())
		if !it.Next() {
			t.Fatal("not RTCP")
		}
		fb, ok := it.Packet.Feedback()
		if !ok || !fb.IsPLI() {
			t.Fatalf("the source got %x", it.Packet.Raw)
		}
		return fb.Media
	}
	var o Origin = s
	o.RequestKeyframe(3) // there is none
	o.RequestKeyframe(0) // no video
	o.RequestKeyframe(2)
	if got := asked(); got != 6 {
		t.Errorf("SSRC %d was asked, want 6", got)
	}
	o.RequestKeyframe(-1) // the last one was asked less than a second ago
	if got := asked(); got != 5 {
		t.Errorf("SSRC %d was asked, want 5", got)
	}
}

func TestPlainData(t *testing.T) {
	waittest.NoLeaks(t)
	e := newEngine(t, nil)
	h := newHeard()
	audio, data := opusStream(), TrackConfig{Kind: media.Data, SSRC: 1010}
	audio.SSRC = 1000
	s := newSource(t, e, h, SourceConfig{Tracks: []TrackConfig{audio, data}})
	all, err := s.ListenRTP(anyLoopback, -1, 0)
	if err != nil {
		t.Fatal(err)
	}
	lines, err := s.ListenData(anyLoopback, 1, false)
	if err != nil {
		t.Fatal(err)
	}
	to := netip.AddrPortFrom(anyLoopback.Addr, all)
	f, err := e.Forward(s, -1, Forward{To: to, SSRC: 1010})
	if err != nil {
		t.Fatal(err)
	}
	f.Message(true, []byte("bytes"))
	if got := <-h.data; got != "binary:bytes" {
		t.Errorf("got %q", got)
	}
	f.Message(false, []byte("words"))
	if got := <-h.data; got != "text:words" {
		t.Errorf("got %q", got)
	}
	newWire(t).send(lines, []byte("a line"))
	if got := <-h.data; got != "text:a line" {
		t.Errorf("got %q", got)
	}
	newWire(t).send(all, rtpPacket(1, 0, 999, "whose?"))
	s.Write(0, 0, rtpPacket(1, 0, 1000, "written"))
	for range 2 { // whatever came first
		if ev := <-h.events; ev.Kind == EventMedia && ev.Receiving {
			break
		}
	}
	waittest.Until(t, "an unknown SSRC is refused", func() bool { return e.Drops()[media.DropSSRCUnknown] > 0 })
}

// TestOwns tells what is sent to the engine itself.
func TestOwns(t *testing.T) {
	waittest.NoLeaks(t)
	e := newEngine(t, nil)
	s := newSource(t, e, newHeard(), SourceConfig{Tracks: []TrackConfig{opusStream(), {Kind: media.Data}}})
	ports := []uint16{e.Stats()[0].Port}
	for _, listen := range []func() (uint16, error){
		func() (uint16, error) { return s.ListenRTP(anyLoopback, 0, 0) },
		func() (uint16, error) { return s.ListenRTCP(anyLoopback, 0) },
		func() (uint16, error) { return s.ListenData(anyLoopback, 1, false) },
	} {
		n, err := listen()
		if err != nil {
			t.Fatal(err)
		}
		ports = append(ports, n)
	}
	other := newWire(t).addr()
	addresses := []string{"127.0.0.1", "127.1.2.3", "::1", "::ffff:127.0.0.1", "0.0.0.0"}
	for _, h := range e.hostAddrs() {
		addresses = append(addresses, h.Addr.String())
	}
	for _, a := range addresses {
		ip := netip.MustParseAddr(a)
		for _, n := range ports {
			if !e.Owns(netip.AddrPortFrom(ip, n)) {
				t.Errorf("%v:%d is not owned", ip, n)
			}
		}
		if e.Owns(netip.AddrPortFrom(ip, other.Port())) {
			t.Errorf("%v:%d is owned", ip, other.Port())
		}
	}
	if e.Owns(netip.AddrPortFrom(netip.MustParseAddr("198.51.100.7"), ports[0])) {
		t.Error("another machine's port is owned")
	}
	s.Close()
	for _, n := range ports[1:] {
		waittest.Until(t, "the port is given up", func() bool { return !e.Owns(netip.AddrPortFrom(anyLoopback.Addr, n)) })
	}
}

// TestLoopEnds sends a source's packets back to its port: what comes again goes no
// further.
func TestLoopEnds(t *testing.T) {
	waittest.NoLeaks(t)
	e := newEngine(t, nil)
	s := newSource(t, e, newHeard(), SourceConfig{Tracks: []TrackConfig{opusStream()}})
	in, err := s.ListenRTP(anyLoopback, 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	out, from := newWire(t), newWire(t)
	for _, to := range []netip.AddrPort{netip.AddrPortFrom(anyLoopback.Addr, in), out.addr()} {
		if _, err := e.Forward(s, 0, Forward{To: to}); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 5 {
		from.send(in, rtpPacket(uint16(i), uint32(i)*960, 5, "round and round"))
	}
	waittest.Until(t, fmt.Sprintf("%d packets dropped", e.Drops()[media.DropDuplicate]), func() bool { return e.Drops()[media.DropDuplicate] >= 5 })
	from.send(in, rtpPacket(5, 5*960, 5, "end"))
	for i := range 6 {
		var h rtp.Header
		b := out.receive()
		if err := h.Parse(b); err != nil || int(h.SequenceNumber) != i || bytes.HasSuffix(b, []byte("end")) != (i == 5) {
			t.Fatalf("packet %d: number %d, %v", i, h.SequenceNumber, err)
		}
	}
}
