package plain

import (
	"bytes"
	"net/netip"
	"slices"
	"testing"
	"time"

	"bifrons/dtls/srtp"
	"bifrons/rtp"
	"bifrons/rtp/mono"
	"bifrons/rtp/pktbuf"
	"bifrons/sfu/media"
	"bifrons/sfu/route"
)

// call is a Session on a loop of its own: what it receives, what it sends of a track,
// and the far end.
type call struct {
	t     testing.TB
	pool  *pktbuf.Pool
	now   mono.Time
	s     *Session
	drops [media.NumDrops]int
	room  [1600]byte

	origin route.Track // what is sent
	in     []received
	keep   bool // in remembers
	rtp    []datagram
	rtcp   []datagram
	tones  []tone
	media  []bool
	wanted int // key frames of the origin
}

// received is a packet as the session's track has it.
type received struct {
	seq, run uint64
	ts       uint32
	pt       uint8
	codec    media.CodecName
	payload  string
	ext      route.Extensions
}

type datagram struct {
	to netip.AddrPort
	b  []byte
}

type tone struct {
	digit    byte
	duration uint32
}

var (
	farRTP  = netip.MustParseAddrPort("192.0.2.7:4000")
	farRTCP = netip.MustParseAddrPort("192.0.2.7:4001")
)

var (
	pcmu  = media.Codec{Name: media.PCMU, PayloadType: 0, ClockRate: 8000}
	phone = media.Codec{Name: media.TelephoneEvent, PayloadType: 101, ClockRate: 8000}
)

func farEnd(codecs ...media.Codec) Remote {
	return Remote{RTP: farRTP, RTCP: farRTCP, Codecs: codecs}
}

func newCall(t testing.TB, kind media.Kind) *call {
	c := &call{t: t, pool: pktbuf.NewPool(1 << 12), now: mono.Time(time.Hour), keep: true}
	c.origin.Kind = kind
	c.origin.Keyframe = func(mono.Time) { c.wanted++ }
	c.s = NewSession(c.now, callLoop{c, &c.rtp}, callLoop{c, &c.rtcp}, SessionConfig{
		Kind: kind, SSRC: 4711, CNAME: "test", Seed: 1,
		Tone:     func(digit byte, duration uint32) { c.tones = append(c.tones, tone{digit, duration}) },
		Media:    func(on bool) { c.media = append(c.media, on) },
		Panicked: func(r any) { t.Errorf("panic: %v", r) },
	})
	c.s.Track().AddTap(c)
	c.s.Attach(c.now, c.s.Expect(), &c.origin)
	t.Cleanup(func() {
		c.s.Close()
		c.origin.Close()
		if n := c.pool.Outstanding(); n != 0 {
			t.Errorf("%d buffers not released", n)
		}
	})
	return c
}

// callLoop is the loop of a call, with one of its ports.
type callLoop struct {
	*call
	out *[]datagram
}

func (l callLoop) Flush(t *route.Track)   { t.Flush(l.now) }
func (l callLoop) Forward(t *route.Track) { t.Flush(l.now) }
func (l callLoop) Drop(d media.Drop)      { l.drops[d]++ }
func (l callLoop) Buffer() *pktbuf.Buf    { return l.pool.Get() }
func (l callLoop) Reserve() []byte        { return l.room[:] }
func (l callLoop) Commit(to netip.AddrPort, n int) {
	if l.keep {
		*l.out = append(*l.out, datagram{to, bytes.Clone(l.room[:n])})
	}
}

func (c *call) Changed(*route.Track) {}
func (c *call) Ended()               {}
func (c *call) Skip(*route.Packet)   {}
func (c *call) Take(p *route.Packet) {
	if c.keep {
		c.in = append(c.in, received{
			p.Seq, uint64(p.SSRC), p.Timestamp, p.PayloadType, p.Codec, string(p.Payload()), p.Ext,
		})
	}
}

// pass lets time pass, with ticks.
func (c *call) pass(d time.Duration) {
	const step = 100 * time.Millisecond
	for ; d > step; d -= step {
		c.now = c.now.Add(step)
		c.s.Tick(c.now)
	}
	c.now = c.now.Add(d)
	c.s.Tick(c.now)
}

// packet is one of the far end.
type packet struct {
	from    netip.AddrPort // by default farRTP
	seq     uint16
	ts      uint32
	ssrc    uint32
	pt      uint8
	ext     []byte // id, level
	payload string
}

func (p *packet) bytes() []byte {
	b := make([]byte, rtp.FixedHeaderLen, 1500)
	rtp.FixedHeader{PayloadType: p.pt, SequenceNumber: p.seq, Timestamp: p.ts, SSRC: p.ssrc}.Put(b)
	if p.ext != nil {
		var w rtp.ExtensionWriter
		w.Reset(b)
		w.AddUint8(p.ext[0], p.ext[1])
		b = w.Finish()
		rtp.SetExtensionBit(b)
	}
	return append(b, p.payload...)
}

// receive gives the session what came by the RTP port.
func (c *call) receive(from netip.AddrPort, b []byte) {
	buf := c.pool.Get()
	buf.N = copy(buf.B, b)
	if !from.IsValid() {
		from = farRTP
	}
	if !c.s.HandleRTP(c.now, from, buf) {
		buf.Release()
	}
}

func (c *call) send(p packet) { c.receive(p.from, p.bytes()) }

// control gives it what came by the RTCP port.
func (c *call) control(from netip.AddrPort, b []byte) {
	buf := c.pool.Get()
	defer buf.Release()
	buf.N = copy(buf.B, b)
	c.s.HandleRTCP(c.now, from, buf)
}

// speak has the origin get a packet.
func (c *call) speak(seq uint64, ts uint32, codec media.Codec, payload string) {
	c.speakWith(seq, ts, codec, payload, route.Extensions{})
}

func (c *call) speakWith(seq uint64, ts uint32, codec media.Codec, payload string, x route.Extensions) {
	c.origin.ClockRate = codec.ClockRate
	buf := c.pool.Get()
	buf.N = rtp.FixedHeaderLen + copy(buf.B[rtp.FixedHeaderLen:], payload)
	c.origin.Push(route.Packet{
		Buf: buf, Seq: seq, Arrival: c.now, Timestamp: ts, SSRC: 5, Off: rtp.FixedHeaderLen, Len: uint16(len(payload)),
		Codec: codec.Name, PayloadType: codec.PayloadType, Ext: x,
	})
	c.origin.Flush(c.now)
	c.origin.Expire(c.now)
}

// sent reads the packets that went out since the last time.
func (c *call) sent() (list []rtp.Header) {
	for _, d := range c.rtp {
		var h rtp.Header
		if err := h.Parse(d.b); err != nil {
			c.t.Fatalf("sent what is no RTP: %v", err)
		}
		list = append(list, h)
	}
	c.rtp = nil
	return list
}

func TestSessionBothWays(t *testing.T) {
	c := newCall(t, media.Audio)
	r := farEnd(opus, pcmu)
	r.Ext.AudioLevel = 3
	c.speak(1, 0, opus, "nobody there")
	c.s.SetRemote(c.now, r)
	c.send(packet{seq: 9, ts: 960, ssrc: 7, pt: 111, ext: []byte{3, 25}, payload: "voice"})
	c.send(packet{seq: 10, ts: 1920, ssrc: 7, pt: 111, ext: []byte{4, 99}, payload: "voice"})
	c.send(packet{seq: 11, ts: 2880, ssrc: 7, pt: 96, payload: "what?"})
	c.send(packet{seq: 12, ts: 2880, ssrc: 7, pt: 111, payload: "voice", from: netip.MustParseAddrPort("192.0.2.7:4002")})
	if len(c.in) != 2 || c.in[0].codec != media.Opus || c.in[0].pt != 111 || c.in[0].payload != "voice" {
		t.Fatalf("received %+v", c.in)
	}
	if x := c.in[0].ext; !x.HasAudioLevel || x.AudioLevel != 25 || c.in[1].ext.HasAudioLevel {
		t.Errorf("audio levels %+v, %+v", x, c.in[1].ext)
	}
	c.speakWith(100, 5000, opus, "hello", route.Extensions{
		HasAudioLevel: true, AudioLevel: 130, HasOrientation: true, HasPlayoutDelay: true, Capture: []byte("12345678"),
	})
	c.speak(101, 5160, pcmu, "hello")
	c.speak(102, 5320, media.Codec{Name: media.PCMU, PayloadType: 99, ClockRate: 8000}, "hello")
	c.speak(103, 5480, media.Codec{Name: media.PCMA, PayloadType: 8, ClockRate: 8000}, "not taken")
	if len(c.rtp) != 3 || c.rtp[0].to != farRTP {
		t.Fatalf("sent %+v", c.rtp)
	}
	first := c.rtp[0].b
	list := c.sent()
	var ids []uint8
	for it := list[0].Extensions(first); it.Next(); {
		ids = append(ids, it.ID)
		if !bytes.Equal(it.Data, []byte{130}) {
			t.Errorf("extension %d is %x", it.ID, it.Data)
		}
	}
	if !slices.Equal(ids, []uint8{3}) || !bytes.HasSuffix(first, []byte("hello")) {
		t.Errorf("sent extensions %v in %x", ids, first)
	}
	for i, pt := range []uint8{111, 0, 0} {
		h := &list[i]
		if h.PayloadType != pt || h.SSRC != 4711 || h.SequenceNumber != list[0].SequenceNumber+uint16(i) {
			t.Errorf("packet %d: %+v", i, h.FixedHeader)
		}
	}
	c.pass(time.Second)
	st := c.s.Stats(c.now)
	want := SessionStats{
		In: Traffic{2, uint64(2*(rtp.FixedHeaderLen+8) + 10)}, Out: Traffic{3, 3*(rtp.FixedHeaderLen+5) + 8}, InSSRC: 7, OutSSRC: 4711,
		Silence: time.Second, Absence: time.Second, PayloadTypes: 1, Elsewhere: 1, ElsewhereAt: netip.MustParseAddrPort("192.0.2.7:4002"), Untaken: 1,
		Jitter: st.Jitter,
	}
	if st != want {
		t.Errorf("stats %+v\nwant  %+v", st, want)
	}
	c.pass(time.Second)
	if !slices.Equal(c.media, []bool{true, false}) {
		t.Errorf("told of media: %v", c.media)
	}
}

// secret is a key of a profile; n tells keys apart.
func secret(p srtp.Profile, n byte) (*srtp.Sender, *srtp.Receiver) {
	key, salt := bytes.Repeat([]byte{n}, p.KeyLen()), bytes.Repeat([]byte{n + 1}, p.SaltLen())
	tx, err := srtp.NewSender(p, key, salt)
	if err != nil {
		panic(err)
	}
	rx, err := srtp.NewReceiver(p, key, salt)
	if err != nil {
		panic(err)
	}
	return tx, rx
}

// seal makes SRTP of a packet of the far end.
func seal(tx *srtp.Sender, p packet, roc uint32) []byte {
	b := p.bytes()
	n, err := tx.SealRTP(b[:cap(b)], rtp.FixedHeaderLen, b[rtp.FixedHeaderLen:], roc)
	if err != nil {
		panic(err)
	}
	return b[:n]
}

// TestHoldOfTwentyMinutes holds both ways for longer than half of the sequence numbers
// last. The far end goes on meanwhile, with music.
func TestHoldOfTwentyMinutes(t *testing.T) {
	for _, music := range []bool{false, true} {
		c := newCall(t, media.Audio)
		theirs, opener := secret(srtp.AES128CMSHA180, 1)
		sealer, ours := secret(srtp.AEADAES128GCM, 9)
		r := farEnd(pcmu)
		r.Opener, r.Sealer = opener, sealer
		c.s.SetRemote(c.now, r)
		var state srtp.StreamState
		n, m := uint64(1), uint64(60000) // numbers of ours, and of the far end's
		ts := uint32(0)
		talk := func() {
			t.Helper()
			before := len(c.in)
			for range 5 {
				c.receive(farRTP, seal(theirs, packet{seq: uint16(m), ts: ts, ssrc: 7, payload: "voice"}, uint32(m>>16)))
				c.speak(n, ts, pcmu, "hello")
				n, m, ts = n+1, m+1, ts+160
				c.pass(20 * time.Millisecond)
			}
			if got := len(c.in) - before; got != 5 || len(c.rtp) != 5 {
				t.Fatalf("music %v, packet %d: %d were received, %d sent", music, n, got, len(c.rtp))
			}
			for _, d := range c.rtp {
				if _, err := ours.OpenRTP(&state, d.b, rtp.FixedHeaderLen); err != nil {
					t.Fatalf("music %v, packet %d: the far end cannot open it: %v", music, n, err)
				}
			}
			c.rtp = nil
		}
		talk()
		last := state.Index()
		c.s.SetDirection(c.now, false, false)
		for range 20 * 60 * 5 { // one packet of ten is enough
			if music {
				c.receive(farRTP, seal(theirs, packet{seq: uint16(m), ts: ts, ssrc: 7, payload: "music"}, uint32(m>>16)))
				m += 10
			}
			c.speak(n, ts, pcmu, "to myself")
			n, ts = n+10, ts+1600
			c.pass(200 * time.Millisecond)
		}
		if len(c.in) != 5 || len(c.rtp) != 0 {
			t.Fatalf("on hold %d were received, %d sent", len(c.in)-5, len(c.rtp))
		}
		c.s.SetDirection(c.now, true, true)
		talk()
		if got := state.Index(); got != last+5 {
			t.Errorf("numbers went from %d to %d", last, got)
		}
		for i := 1; i < len(c.in); i++ {
			if c.in[i].payload != "voice" {
				t.Errorf("received %q", c.in[i].payload)
			}
		}
		if len(c.rtcp) < 100 {
			t.Errorf("only %d compounds of RTCP during hold", len(c.rtcp))
		}
	}
}

// TestUnspecifiedAddressIsHold sends nothing to 0.0.0.0 (RFC 3264, 8.4).
func TestUnspecifiedAddressIsHold(t *testing.T) {
	c := newCall(t, media.Audio)
	c.s.SetRemote(c.now, farEnd(pcmu))
	c.speak(1, 160, pcmu, "one")
	hold := farEnd(pcmu)
	hold.RTP, hold.RTCP = netip.MustParseAddrPort("0.0.0.0:4000"), netip.MustParseAddrPort("0.0.0.0:4001")
	c.s.SetRemote(c.now, hold)
	c.speak(2, 320, pcmu, "two")
	c.rtcp = nil
	c.pass(time.Minute)
	if len(c.rtp) != 1 || len(c.rtcp) != 0 {
		t.Errorf("sent %d packets and %d compounds", len(c.rtp), len(c.rtcp))
	}
	c.s.SetRemote(c.now, farEnd(pcmu))
	c.speak(3, 480, pcmu, "three")
	list := c.sent()
	if len(list) != 2 || list[1].SequenceNumber != list[0].SequenceNumber+1 || list[1].Timestamp-list[0].Timestamp != 320 {
		t.Errorf("sent %+v", list)
	}
}

// TestFarEndChanges has another SSRC, another codec and another clock come in.
func TestFarEndChanges(t *testing.T) {
	c := newCall(t, media.Audio)
	c.s.SetRemote(c.now, farEnd(opus, pcmu))
	sub, out := subscribed(c.s.Track(), c.now)
	defer sub.Detach()
	for _, p := range []packet{
		{seq: 100, ts: 0, ssrc: 7, pt: 111},
		{seq: 101, ts: 960, ssrc: 7, pt: 111},
		{seq: 5, ts: 1 << 31, ssrc: 8, pt: 111}, // transferred
		{seq: 6, ts: 1<<31 + 960, ssrc: 8, pt: 111},
		{seq: 7, ts: 4000, ssrc: 8, pt: 0}, // another clock
		{seq: 8, ts: 4160, ssrc: 8, pt: 0},
		{seq: 102, ts: 9999, ssrc: 7, pt: 111}, // and back
	} {
		p.payload = "x"
		c.send(p)
		c.pass(20 * time.Millisecond)
	}
	if len(out.list) != 7 {
		t.Fatalf("got %d packets", len(out.list))
	}
	for i, o := range out.list[1:] {
		was := out.list[i]
		step := o.Timestamp - was.Timestamp
		want := uint32(960)
		if i == 3 || i == 4 {
			want = 160 // by the clock of the packet
		}
		if o.Seq != was.Seq+1 || step != want {
			t.Errorf("packet %d: number %d after %d, timestamp moves by %d, want %d", i+1, o.Seq, was.Seq, step, want)
		}
	}
	if st := c.s.Stats(c.now); st.Lost != 0 || st.In.Packets != 7 || st.InSSRC != 7 {
		t.Errorf("stats %+v", st)
	}
}

// sink is what a subscription gives out.
type sink struct{ list []route.Outgoing }

func (s *sink) Send(_ mono.Time, _ *route.Packet, o route.Outgoing) { s.list = append(s.list, o) }
func (s *sink) Fill(mono.Time, *route.Packet, route.Outgoing)       {}
func (s *sink) LayerChanged(_, _ media.Layer)                       {}

func subscribed(t *route.Track, now mono.Time) (*route.Subscription, *sink) {
	out := new(sink)
	sub := route.NewSubscription(out)
	sub.Attach(now, t)
	return sub, out
}

// TestUnknownPayloadTypeLeavesNoGap: what is not negotiated is no loss to those who
// listen.
func TestUnknownPayloadTypeLeavesNoGap(t *testing.T) {
	c := newCall(t, media.Audio)
	c.s.SetRemote(c.now, farEnd(pcmu))
	sub, out := subscribed(c.s.Track(), c.now)
	defer sub.Detach()
	for i, pt := range []uint8{0, 0, 13, 13, 0, 13, 0} {
		c.send(packet{seq: uint16(65533 + i), ts: uint32(i) * 160, ssrc: 7, pt: pt, payload: "x"})
		c.pass(20 * time.Millisecond)
	}
	var numbers []uint64
	for _, o := range out.list {
		numbers = append(numbers, o.Seq-out.list[0].Seq)
	}
	if !slices.Equal(numbers, []uint64{0, 1, 2, 3}) {
		t.Errorf("numbers %v", numbers)
	}
	if st := c.s.Stats(c.now); st.PayloadTypes != 3 {
		t.Errorf("%d packets counted", st.PayloadTypes)
	}
}
