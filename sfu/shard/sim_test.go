package shard

import (
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"bifrons/dtls"
	"bifrons/dtls/srtp"
	"bifrons/ice"
	"bifrons/ice/netio"
	"bifrons/rtp/codec"
	"bifrons/rtp/mono"
	"bifrons/sfu/media"
	"bifrons/sfu/peer"
	"bifrons/sfu/route"
	"bifrons/sfu/simnet"
)

// side is a shard on the simulated network with one peer.
type side struct {
	t      testing.TB
	shard  *Shard
	port   *simnet.Port
	core   *peer.Peer
	creds  ice.Credentials
	events []peer.Event
	got    map[uint64]int // times that each packet of the test's source came back
}

func (s *side) Emit(ev peer.Event) { s.events = append(s.events, ev) }
func (s *side) StartDTLS(dtls.Role, dtls.Fingerprints) peer.DTLS {
	return noDTLS{}
}

type noDTLS struct{}

func (noDTLS) Deliver([]byte) dtls.Verdict { return dtls.Delivered }
func (noDTLS) Rest()                       {}
func (noDTLS) Close()                      {}

func (s *side) has(k peer.EventKind) bool {
	for _, ev := range s.events {
		if ev.Kind == k {
			return true
		}
	}
	return false
}

var quiet = slog.New(slog.NewTextHandler(io.Discard, nil))

func newSide(t testing.TB, n *simnet.Network, addr string, controlling bool, l simnet.Conditions, opt *peer.Options) *side {
	t.Helper()
	port := netip.MustParseAddrPort(addr).Port()
	creds := ice.Credentials{Ufrag: fmt.Sprintf("uf%d", port), Pwd: fmt.Sprintf("password-of-port-%d-xx", port)}
	return newSideAs(t, n, addr, creds, controlling, l, opt)
}

// newSideAs is newSide with given credentials.
func newSideAs(t testing.TB, n *simnet.Network, addr string, creds ice.Credentials, controlling bool, l simnet.Conditions, opt *peer.Options) *side {
	t.Helper()
	a := netip.MustParseAddrPort(addr)
	s := &side{t: t, port: n.Open(a, l), got: map[uint64]int{}}
	random := rand.New(rand.NewPCG(1, uint64(a.Port())))
	s.shard = New(Config{Socket: s.port, Options: opt, Logger: quiet, Random: func(b []byte) {
		for i := range b {
			b[i] = byte(random.Uint32())
		}
	}})
	s.port.Attach(s.shard)
	s.creds = creds
	s.shard.now = n.Now
	s.core = s.shard.Add(peer.Config{
		ICE: s.creds, Controlling: controlling,
		Candidates: []ice.Candidate{{Foundation: "1", Component: 1, Transport: "udp", Priority: 1 << 30, Addr: a}},
	}, s)
	if s.core == nil {
		t.Fatal("peer was refused")
	}
	t.Cleanup(func() {
		s.shard.shutDown()
		if n := s.shard.Outstanding(); n != 0 {
			t.Errorf("%s: %d packet buffers not released", addr, n)
		}
	})
	return s
}

// link exchanges descriptions and lets ICE run.
func link(n *simnet.Network, a, b *side) {
	for _, x := range [][2]*side{{a, b}, {b, a}} {
		me, other := x[0], x[1]
		me.core.SetRemote(n.Now, peer.Remote{ICE: other.creds})
		me.core.AddCandidate(n.Now, ice.Candidate{
			Foundation: "1", Component: 1, Transport: "udp", Priority: 1 << 30, Addr: other.port.Addr,
		})
		me.shard.Touch(me.core)
		me.shard.out.flush()
	}
	n.RunFor(2 * time.Second)
}

// connect is link, and gives both sides SRTP keys.
func connect(n *simnet.Network, a, b *side) {
	link(n, a, b)
	key(n, a, b, 0)
}

// key gives both sides SRTP keys, which differ by seed.
func key(n *simnet.Network, a, b *side, seed byte) {
	k := srtp.Keys{
		Profile:  srtp.AEADAES128GCM,
		LocalKey: append(make([]byte, 15), 2*seed), LocalSalt: make([]byte, 12),
		RemoteKey: append(make([]byte, 15), 2*seed+1), RemoteSalt: make([]byte, 12),
	}
	a.core.DTLSConnected(n.Now, k)
	k.LocalKey, k.RemoteKey = k.RemoteKey, k.LocalKey
	b.core.DTLSConnected(n.Now, k)
	a.shard.Touch(a.core)
	b.shard.Touch(b.core)
}

func videoSection(ssrc, remote uint32, rtx bool) media.Section {
	c := media.Codec{Name: media.VP8, PayloadType: 96, ClockRate: 90000}
	s := media.Section{
		MID: "0", Kind: media.Video, Receive: true, Send: true,
		SSRC: ssrc, Encodings: []media.Encoding{{SSRC: remote}},
		NACK: true, PLI: true, REMB: true, TransportCC: true,
		Ext: media.ExtensionIDs{MID: 4, AbsSendTime: 2, TransportSequence: 3},
	}
	if rtx {
		c.RTX = 97
		s.RTXSSRC = ssrc + 1
		s.Encodings[0].RTXSSRC = remote + 1
	}
	s.Codecs = []media.Codec{c}
	return s
}

// source is a track that a test feeds, sent by one side.
type source struct {
	side  *side
	track *route.Track
	seq   uint64
	key   bool // the next packet begins a key frame
}

func newSource(now mono.Time, s *side) *source {
	src := &source{side: s, track: &route.Track{Kind: media.Video, ClockRate: 90000}}
	s.core.Subscription(0).Attach(now, src.track)
	s.t.Cleanup(src.track.Close)
	return src
}

// frame sends a picture of n packets; every packet carries its number.
func (src *source) frame(now mono.Time, n int) {
	s := src.side.shard
	s.now = now
	for i := range n {
		src.seq++
		isKey := src.seq == 1 || src.key
		src.key = false
		b := s.pool.Get()
		p := route.Packet{
			Buf: b, Seq: src.seq, Arrival: now, Timestamp: uint32(src.seq) * 100, SSRC: 7,
			Len: 999 + uint16(i%2), Codec: media.VP8, PayloadType: 96, Marker: i == n-1, Read: true,
			Info: codec.Info{Keyframe: isKey},
		}
		d := b.B[:1000]
		copy(d, []byte{0x10, 0, 0, 0, 0x9d, 0x01, 0x2a, 64, 0, 64, 0})
		if !isKey {
			d[1] = 1 // not a key frame
		}
		for j := range 8 {
			d[20+j] = byte(src.seq >> (8 * j))
		}
		src.track.Push(p)
	}
	src.track.Flush(now)
	s.out.flush()
}

// collect counts what a side receives in its section 0.
func (s *side) collect(now mono.Time) {
	sink := &collector{got: s.got}
	sub := route.NewSubscription(sink)
	trackOf(s).attach(now, sub)
}

// collector is a sink that counts the packets of a source.
type collector struct{ got map[uint64]int }

func (c *collector) Send(_ mono.Time, p *route.Packet, _ route.Outgoing) {
	d := p.Payload()
	var n uint64
	for j := range 8 {
		n |= uint64(d[20+j]) << (8 * j)
	}
	c.got[n]++
}
func (c *collector) Fill(mono.Time, *route.Packet, route.Outgoing) {}
func (c *collector) LayerChanged(media.Layer, media.Layer)         {}

type trackRef struct{ t *route.Track }

func (r trackRef) attach(now mono.Time, s *route.Subscription) { s.Attach(now, r.t) }

func trackOf(s *side) trackRef { return trackRef{s.core.Track(0)} }

// echo is two sides: a client that sends video and a server that sends it back.
func echo(t testing.TB, n *simnet.Network, l simnet.Conditions, opt *peer.Options, rtx bool) (client, server *side, src *source) {
	t.Helper()
	server = newSide(t, n, "192.0.2.1:5000", false, l, opt)
	client = newSide(t, n, "192.0.2.2:6000", true, l, &peer.Options{TWCCPeriod: opt.TWCCPeriod})
	connect(n, client, server)
	if !client.core.Up() || !server.core.Up() {
		t.Fatal("the connection did not come up")
	}
	client.core.SetSections(n.Now, []media.Section{videoSection(100, 200, rtx)})
	server.core.SetSections(n.Now, []media.Section{videoSection(200, 100, rtx)})
	if server.core.Subscription(0).Attach(n.Now, server.core.Track(0)); server.core.Subscription(0).Track() == nil {
		t.Fatal("subscription was refused")
	}
	client.collect(n.Now)
	return client, server, newSource(n.Now, client)
}

func options() *peer.Options {
	o := peer.DefaultOptions()
	return &o
}

// run sends frames of three packets, 30 a second.
func run(n *simnet.Network, src *source, d time.Duration) {
	for end := n.Now.Add(d); n.Now < end; {
		src.frame(n.Now, 3)
		n.RunFor(33 * time.Millisecond)
	}
}

func TestEchoLossless(t *testing.T) {
	for _, lite := range []bool{false, true} {
		n := simnet.New(1)
		opt := options()
		opt.Lite = lite
		client, server, src := echo(t, n, simnet.Conditions{Delay: 10 * time.Millisecond}, opt, true)
		run(n, src, 5*time.Second)
		n.RunFor(time.Second)
		for seq := uint64(1); seq <= src.seq; seq++ {
			if client.got[seq] != 1 {
				t.Fatalf("lite %v: packet %d of %d came %d times", lite, seq, src.seq, client.got[seq])
			}
		}
		if !server.has(peer.EventMedia) {
			t.Error("no media event")
		}
		if c := server.core.Counters(); c.NACKsOut != 0 {
			t.Errorf("%d NACKs on a perfect link", c.NACKsOut)
		}
	}
}

func TestEchoRepairsLoss(t *testing.T) {
	for _, rtx := range []bool{true, false} {
		t.Run(fmt.Sprintf("rtx=%v", rtx), func(t *testing.T) {
			n := simnet.New(2)
			link := simnet.Conditions{Loss: 0.05, Delay: 20 * time.Millisecond, Jitter: 5 * time.Millisecond}
			client, server, src := echo(t, n, link, options(), rtx)
			run(n, src, 30*time.Second)
			n.RunFor(2 * time.Second)
			missing, twice := 0, 0
			for seq := uint64(1); seq <= src.seq; seq++ {
				switch client.got[seq] {
				case 0:
					missing++
				case 1:
				default:
					twice++
				}
			}
			if max := int(src.seq) / 1000; missing > max || twice > 0 {
				t.Errorf("%d of %d packets missing, %d twice", missing, src.seq, twice)
			}
			c := server.core.Counters()
			if c.Recovered == 0 || c.Retransmitted == 0 {
				t.Errorf("nothing was repaired: %+v", c)
			}
			t.Logf("%d packets, %d missing, server %+v", src.seq, missing, c)
		})
	}
}

func TestSilenceAndReturn(t *testing.T) {
	n := simnet.New(3)
	_, server, src := echo(t, n, simnet.Conditions{Delay: time.Millisecond}, options(), true)
	run(n, src, 2*time.Second)
	n.RunFor(4 * time.Second)
	run(n, src, time.Second)
	var got []bool
	for _, ev := range server.events {
		if ev.Kind == peer.EventMedia {
			got = append(got, ev.Receiving)
		}
	}
	if len(got) != 3 || !got[0] || got[1] || !got[2] {
		t.Errorf("media events %v, want true false true", got)
	}
}

func TestVanishedPeerIsClosed(t *testing.T) {
	n := simnet.New(5)
	client, server, src := echo(t, n, simnet.Conditions{}, options(), true)
	run(n, src, time.Second)
	client.port.Down = true
	n.RunFor(70 * time.Second)
	if !server.has(peer.EventClosed) || !server.has(peer.EventICEFailed) {
		t.Errorf("events %+v", server.events)
	}
	if server.shard.Load() != 0 || len(server.shard.byAddr) != 0 || len(server.shard.byUfrag) != 0 || len(server.shard.byKey) != 0 {
		t.Error("the shard still knows the peer")
	}
}

func TestStrangersChangeNothing(t *testing.T) {
	n := simnet.New(6)
	client, server, src := echo(t, n, simnet.Conditions{}, options(), true)
	run(n, src, time.Second)
	stranger := n.Open(netip.MustParseAddrPort("198.51.100.9:9"), simnet.Conditions{})
	send := func(b []byte) {
		_, _ = stranger.SendBatch([]netio.Message{{Buf: b, Remote: server.port.Addr}})
		n.RunFor(time.Millisecond)
	}
	before := server.shard.Stats().Drops
	sent := 0
	n.Sniff = func(from, to netip.AddrPort, b []byte) {
		if to == stranger.Addr {
			sent++
		}
	}
	hello := append([]byte{22, 0xfe, 0xff}, make([]byte, 60)...)
	rtpPacket := append([]byte{0x80, 96, 0, 1, 0, 0, 0, 0, 0, 0, 0, 100}, make([]byte, 40)...)
	binding := append([]byte{0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42}, make([]byte, 12)...)
	for _, b := range [][]byte{hello, rtpPacket, binding, binding[:10], {0xff}, make([]byte, 1600)} {
		send(b)
	}
	drops := server.shard.Stats().Drops
	total := uint64(0)
	for i := range drops {
		total += drops[i] - before[i]
	}
	if total != 6 {
		t.Errorf("%d of 6 datagrams were counted as dropped", total)
	}
	if sent != 0 {
		t.Errorf("%d datagrams answered to a stranger", sent)
	}
	got := len(client.got)
	run(n, src, time.Second)
	if len(client.got) <= got {
		t.Error("the echo stopped")
	}
}

func TestReplayAndTamper(t *testing.T) {
	n := simnet.New(7)
	client, server, src := echo(t, n, simnet.Conditions{}, options(), true)
	var last []byte
	n.Sniff = func(from, to netip.AddrPort, b []byte) {
		if from == client.port.Addr && len(b) > 900 {
			last = append(last[:0], b...)
		}
	}
	run(n, src, time.Second)
	n.Sniff = nil
	inject := func(b []byte) {
		server.shard.Inject(n.Now, []netio.Message{{Buf: b, N: len(b), Remote: client.port.Addr, Local: server.port.Addr.Addr()}})
	}
	inject(append([]byte(nil), last...))
	if d := server.shard.Stats().Drops[media.DropSRTPReplay]; d != 1 {
		t.Errorf("replayed packets counted %d, want 1", d)
	}
	bad := append([]byte(nil), last...)
	bad[3] += 50
	inject(bad)
	if d := server.shard.Stats().Drops[media.DropSRTPAuth]; d != 1 {
		t.Errorf("forged packets counted %d, want 1", d)
	}
}

func TestSameSeedSameBytes(t *testing.T) {
	sum := func() (h uint64, count int) {
		n := simnet.New(8)
		n.Sniff = func(_, _ netip.AddrPort, b []byte) {
			count++
			for _, c := range b {
				h = h*1099511628211 + uint64(c)
			}
		}
		_, _, src := echo(t, n, simnet.Conditions{Loss: 0.02, Delay: time.Millisecond}, options(), true)
		run(n, src, 3*time.Second)
		return h, count
	}
	h1, c1 := sum()
	h2, c2 := sum()
	if h1 != h2 || c1 != c2 {
		t.Errorf("two runs differ: %d datagrams and %d", c1, c2)
	}
}

func TestPanicCostsOnePeer(t *testing.T) {
	n := simnet.New(9)
	_, server, src := echo(t, n, simnet.Conditions{}, options(), true)
	run(n, src, time.Second)
	server.core.Track(0).Keyframe = func(mono.Time) { panic("test") }
	m := server.shard.peers[server.core]
	func() {
		defer server.shard.guard(m)
		server.core.Track(0).RequestKeyframe(n.Now)
	}()
	if !server.has(peer.EventClosed) || server.shard.Load() != 0 {
		t.Error("the peer outlived its panic")
	}
}

// TestNewSSRCStartsAnew changes the SSRC of an outgoing stream whose sequence
// number has wrapped: the receiver knows nothing of that.
func TestNewSSRCStartsAnew(t *testing.T) {
	n := simnet.New(10)
	client, server, src := echo(t, n, simnet.Conditions{}, options(), true)
	burst := func(frames int) {
		for range frames {
			src.frame(n.Now, 50)
			n.RunFor(50 * time.Millisecond)
		}
	}
	burst(1400)
	mine, theirs := videoSection(500, 100, true), videoSection(100, 500, true)
	server.core.SetSections(n.Now, []media.Section{mine})
	client.core.SetSections(n.Now, []media.Section{theirs})
	before := len(client.got)
	src.key = true
	burst(20)
	if got := len(client.got) - before; got != 20*50 {
		t.Errorf("%d of %d packets came by the new SSRC", got, 20*50)
	}
}

// TestOneNumberOnePlaintext repeats lost packets without RTX while the playout
// delay and the source change: SRTP must never see two packets with one index.
func TestOneNumberOnePlaintext(t *testing.T) {
	n := simnet.New(11)
	_, server, src := echo(t, n, simnet.Conditions{Loss: 0.1, Delay: 10 * time.Millisecond}, options(), false)
	s := videoSection(200, 100, false)
	s.Ext.PlayoutDelay = 5
	server.core.SetSections(n.Now, []media.Section{s})
	other := newSource(n.Now, server)
	server.core.Subscription(0).Attach(n.Now, server.core.Track(0))
	seen := map[uint16]string{}
	repeated := 0
	n.Sniff = func(from, _ netip.AddrPort, b []byte) {
		if from != server.port.Addr || len(b) < 200 || b[0]>>6 != 2 {
			return
		}
		seq := uint16(b[2])<<8 | uint16(b[3])
		if old, ok := seen[seq]; ok {
			repeated++
			if old != string(b) {
				t.Fatalf("two packets with number %d", seq)
			}
		}
		seen[seq] = string(b)
	}
	for i := range 600 {
		src.frame(n.Now, 3)
		if i%7 == 0 {
			server.core.SetPlayoutDelay(0, i%11, 20)
		}
		if i%13 == 0 {
			server.core.Subscription(0).Attach(n.Now, other.track)
			other.key, other.seq = true, src.seq-3
			other.frame(n.Now, 3)
			server.core.Subscription(0).Attach(n.Now, server.core.Track(0))
			src.key = true
		}
		n.RunFor(33 * time.Millisecond)
	}
	if repeated == 0 {
		t.Error("nothing was repeated")
	}
	t.Logf("%d repeated", repeated)
}
