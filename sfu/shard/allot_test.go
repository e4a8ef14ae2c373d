package shard

import (
	"encoding/binary"
	"net/netip"
	"testing"
	"time"

	"bifrons/ice/netio"
	"bifrons/rtp"
	"bifrons/rtp/bwe"
	"bifrons/rtp/codec"
	"bifrons/rtp/mono"
	"bifrons/rtp/rtcp"
	"bifrons/sfu/media"
	"bifrons/sfu/peer"
	"bifrons/sfu/route"
	"bifrons/sfu/simnet"
)

// camera is a track that a test feeds on one side, of one or several encodings. It
// answers requests for a key frame some time later.
type camera struct {
	side    *side
	track   *route.Track
	rates   []float64     // bit/s of each encoding
	every   time.Duration // between pictures
	keySize float64       // times that of another picture
	layered bool          // three temporal layers
	spatial bool          // rates are of spatial layers in one stream
	seq     [media.MaxEncodings]uint64
	asked   mono.Time // for a key frame, 0 = not
	n       uint32
}

const keyDelay = 100 * time.Millisecond

// layerOf are the temporal layers of pictures, and layerSize what these take of the average,
// as of libvpx.
var (
	layerOf   = [4]int8{0, 2, 1, 2}
	layerSize = [3]float64{1.1, 0.7, 1.1}
)

func newCamera(now mono.Time, s *side, section int, rates ...float64) *camera {
	c := &camera{side: s, rates: rates, asked: now, every: 33 * time.Millisecond, keySize: 3}
	c.track = &route.Track{Kind: media.Video, ClockRate: 90000, Simulcast: len(rates) > 1, Keyframe: func(now mono.Time) {
		if c.asked == 0 {
			c.asked = now
		}
	}}
	s.core.Subscription(section).Attach(now, c.track)
	s.t.Cleanup(c.track.Close)
	return c
}

// picture feeds the next picture of each encoding.
func (c *camera) picture(now mono.Time) {
	s := c.side.shard
	s.now = now
	key := c.asked != 0 && now.Sub(c.asked) >= keyDelay
	if key {
		c.asked = 0
	}
	if c.n++; key {
		c.n += -c.n & 3 // with which the layers begin anew
	}
	for e, rate := range c.rates {
		size := rate / 8 * c.every.Seconds()
		if c.layered {
			size *= layerSize[layerOf[c.n&3]]
		}
		stream := e
		if c.spatial {
			stream = 0
		}
		start := key || c.seq[stream] == 0
		if start {
			size *= c.keySize
		}
		bytes := int(size)
		for first := true; bytes > 0; first = false {
			size := min(bytes, 1100)
			bytes -= size
			c.seq[stream]++
			b := s.pool.Get()
			p := route.Packet{
				Buf: b, Seq: c.seq[stream], Arrival: now, Timestamp: uint32(mono.Ticks(now.Sub(0), 90000)), SSRC: uint32(70 + stream), Encoding: uint8(stream),
				Len: uint16(max(size, 60)), Codec: media.VP8, PayloadType: 96, Marker: bytes <= 0 && (!c.spatial || e == len(c.rates)-1), Read: true,
				Info: codec.Info{Keyframe: start && e == stream && (key || c.seq[stream] == 1), FrameStart: first, FrameEnd: bytes <= 0},
			}
			if c.spatial { // as codecs with such layers are read; the remote need not know
				p.Info.HasSpatial, p.Info.Spatial, p.Info.Spatials = true, int8(e), int8(len(c.rates))
			}
			if c.layered {
				l := layerOf[c.n&3]
				p.Info.HasTemporal, p.Info.Temporal, p.Info.Temporals = true, l, 3
				if first && (l > 0 || p.Info.Keyframe) {
					p.Info.SwitchUp, p.Info.UpFrom, p.Info.UpTo = true, max(l-1, 0), l
				}
				if p.Info.Keyframe {
					p.Info.UpFrom, p.Info.UpTo = -1, codec.MaxTemporal
				}
			}
			d := p.Payload()
			clear(d)
			copy(d, []byte{0x10, 0, 0, 0, 0x9d, 0x01, 0x2a, 64, 0, 64, 0})
			if !first {
				d[0] = 0 // not the start of a picture
			}
			if !p.Info.Keyframe || !first {
				d[1] = 1
			}
			d[20] = byte(e)
			c.track.Push(p)
		}
	}
	c.track.Flush(now)
	s.flush()
}

// screen is what a remote shows of a section.
type screen struct {
	at       mono.Time // last packet
	gap      time.Duration
	bytes    int
	pictures int
	encoding uint8
	packets  [media.MaxEncodings]int
	now      func() mono.Time
}

func (c *screen) Send(_ mono.Time, p *route.Packet, _ route.Outgoing) {
	now := c.now()
	if c.at != 0 {
		c.gap = max(c.gap, now.Sub(c.at))
	}
	c.at = now
	c.bytes += int(p.Len)
	if p.Marker {
		c.pictures++
	}
	c.encoding = p.Payload()[20]
	c.packets[c.encoding]++
}
func (c *screen) Fill(mono.Time, *route.Packet, route.Outgoing) {}
func (c *screen) LayerChanged(media.Layer, media.Layer)         {}

// viewing is a viewer whose line is estimated.
type viewing struct {
	net            *simnet.Network
	client, server *side
	camera         *camera
	screen         *screen
}

var viewingLine = simnet.Conditions{Delay: 25 * time.Millisecond, Jitter: 300 * time.Microsecond}

func newViewing(t testing.TB, seed uint64, rtx bool, rates ...float64) *viewing {
	t.Helper()
	return newViewingOn(t, seed, viewingLine,
		func(mine, theirs uint32) []media.Section { return []media.Section{videoSection(mine, theirs, rtx)} }, rates...)
}

// newViewingOn is newViewing on another network and with other sections, of which the first is of the
// camera.
func newViewingOn(t testing.TB, seed uint64, away simnet.Conditions, sections func(mine, theirs uint32) []media.Section, rates ...float64) *viewing {
	t.Helper()
	return newViewingAs(t, seed, false, away, sections, rates...)
}

// newViewingAs is newViewingOn with media that may be plain RTP.
func newViewingAs(t testing.TB, seed uint64, plain bool, away simnet.Conditions, sections func(mine, theirs uint32) []media.Section, rates ...float64) *viewing {
	t.Helper()
	n := simnet.New(seed)
	theirs, ours := options(), options()
	theirs.NoDTLS, ours.NoDTLS = plain, plain
	theirs.TWCCPeriod = 100 * time.Millisecond
	v := &viewing{
		net: n, server: newSide(t, n, "192.0.2.1:5000", false, away, ours),
		client: newSide(t, n, "192.0.2.2:6000", true, away, theirs),
	}
	if link(n, v.client, v.server); !plain {
		key(n, v.client, v.server, 0)
	}
	v.client.core.SetSections(n.Now, sections(100, 200))
	v.server.core.SetSections(n.Now, sections(200, 100))
	v.server.estimate(n.Now)
	v.screen = &screen{now: func() mono.Time { return n.Now }}
	sub := route.NewSubscription(v.screen)
	v.client.core.Track(0).Simulcast = false
	sub.Attach(n.Now, v.client.core.Track(0))
	v.camera = newCamera(n.Now, v.server, 0, rates...)
	return v
}

// line sets what gets through to the viewer, in bit/s with a queue of 300 ms.
func (v *viewing) line(rate float64) {
	v.client.port.Conditions.Rate, v.client.port.Conditions.Queue = rate, 300*time.Millisecond
}

// run has the camera send for some time.
func (v *viewing) run(d time.Duration) {
	for end := v.net.Now.Add(d); v.net.Now < end; {
		v.camera.picture(v.net.Now)
		v.net.RunFor(v.camera.every)
	}
}

// until runs until the viewer gets an encoding, at most for d, and returns how long that took.
func (v *viewing) until(encoding uint8, d time.Duration) time.Duration {
	begun := v.net.Now
	for v.net.Now.Sub(begun) < d && v.screen.encoding != encoding {
		v.run(v.camera.every)
	}
	return v.net.Now.Sub(begun)
}

func (v *viewing) log(t *testing.T, what string) {
	t.Helper()
	s := v.server.core.Snapshot(v.net.Now)
	l := s.Line
	t.Logf("%s: target %d (%v), want %d, acked %d, capacity %d, queue %v, probed %d, paced %d, gone %d, share %+v, layer %v, screen %v gap %v",
		what, l.Target, l.Reason, l.Want, l.Acked, l.Capacity, l.Queue, l.Probed.Bytes, l.Paced, l.Gone, *s.Sections[0].Share, s.Sections[0].Layer, v.screen.packets, v.screen.gap)
}

// tells checks how many videos the server says are paused, and limited, by the line.
func (v *viewing) tells(t *testing.T, paused, limited int) {
	t.Helper()
	got := v.server.core.Vitals(v.net.Now)
	if got.Videos != 1 || got.Paused != paused || got.Limited != limited || got.Estimate != v.server.core.Snapshot(v.net.Now).Line.Target {
		t.Errorf("vitals %+v, want %d paused and %d limited", got, paused, limited)
	}
}

var simulcastRates = []float64{130e3, 450e3, 1500e3}

// TestViewerGetsBestLayer narrows a viewer's line and frees it again.
func TestViewerGetsBestLayer(t *testing.T) {
	for seed := range uint64(3) {
		v := newViewing(t, seed, true, simulcastRates...)
		v.line(5e6)
		took := v.until(2, 10*time.Second)
		v.log(t, "start")
		if took > 2*time.Second {
			t.Errorf("seed %d: top encoding after %v", seed, took)
		}
		v.run(5 * time.Second)
		v.log(t, "steady")
		v.tells(t, 0, 0)
		for _, rate := range []float64{600e3, 200e3} {
			v.line(rate)
			v.run(2 * time.Second)
			v.screen.gap, v.screen.bytes = 0, 0
			v.run(20 * time.Second)
			v.log(t, "narrow")
			v.tells(t, 0, 1)
			if v.screen.gap > time.Second {
				t.Errorf("seed %d: no picture for %v at %v bit/s", seed, v.screen.gap, rate)
			}
			if used := float64(v.screen.bytes) * 8 / 20; used < 120e3 {
				t.Errorf("seed %d: %v bit/s at %v", seed, used, rate)
			}
		}
		v.line(5e6)
		took = v.until(2, 30*time.Second)
		v.log(t, "free")
		if took > 10*time.Second {
			t.Errorf("seed %d: top encoding %v after the line was free", seed, took)
		}
		v.run(5 * time.Second)
		if v.server.has(peer.EventPaused) {
			t.Errorf("seed %d: video was paused", seed)
		}
	}
}

// TestProbesWithoutRTX gets to the top by padding in the stream, whose numbers the remote takes
// for nothing missing, and whose packets are the same whenever they are asked for.
func TestProbesWithoutRTX(t *testing.T) {
	v := newViewing(t, 5, false, simulcastRates...)
	seen := map[uint16]string{}
	twice := 0
	v.net.Sniff = func(from, _ netip.AddrPort, b []byte) {
		if from != v.server.port.Addr || !isRTP(b) {
			return
		}
		seq := binary.BigEndian.Uint16(b[2:])
		if old, ok := seen[seq]; ok {
			if twice++; old != string(b) {
				t.Fatalf("two packets with number %d", seq)
			}
		}
		seen[seq] = string(b)
	}
	v.client.port.Conditions.Loss = 0.02
	v.line(5e6)
	took := v.until(2, 10*time.Second)
	v.run(5 * time.Second)
	v.log(t, "start")
	if took > 3*time.Second {
		t.Errorf("top encoding after %v", took)
	}
	l := v.server.core.Snapshot(v.net.Now).Line
	if l.Probed.Packets == 0 || twice == 0 {
		t.Errorf("%d packets of padding, %d packets twice", l.Probed.Packets, twice)
	}
	if v.screen.gap > 500*time.Millisecond {
		t.Errorf("no picture for %v", v.screen.gap)
	}
}

// TestPausedAndBack narrows the line to less than the lowest encoding takes: video pauses, which an event
// tells, and comes back by itself when there is room.
func TestPausedAndBack(t *testing.T) {
	v := newViewing(t, 6, true, 400e3)
	v.camera.track.Ask = nil
	v.line(5e6)
	v.run(5 * time.Second)
	v.line(150e3)
	paused := func() (p bool, n int) {
		for _, ev := range v.server.events {
			if ev.Kind == peer.EventPaused {
				p, n = ev.Paused, n+1
			}
		}
		return p, n
	}
	v.run(15 * time.Second)
	v.log(t, "narrow")
	if p, n := paused(); !p || n != 1 {
		t.Fatalf("%d events, paused %v", n, p)
	}
	s := v.server.core.Snapshot(v.net.Now).Sections[0].Share
	if !s.Paused || s.Pauses != 1 {
		t.Errorf("%+v", s)
	}
	v.tells(t, 1, 0)
	v.line(5e6)
	v.run(15 * time.Second)
	v.log(t, "free")
	if p, n := paused(); p || n != 2 {
		t.Errorf("%d events, paused %v", n, p)
	}
	before := v.screen.bytes
	v.run(time.Second)
	if v.screen.bytes == before {
		t.Error("no picture comes")
	}
	// Switched off while there is no room for it, it is as if there had been no estimation.
	v.line(150e3)
	v.run(15 * time.Second)
	v.server.core.SetEstimation(v.net.Now, peer.Estimation{})
	if p, n := paused(); p || n != 4 {
		t.Errorf("%d events, paused %v without estimation", n, p)
	}
	if s := v.server.core.Snapshot(v.net.Now); s.Line != nil || s.Sections[0].Share != nil {
		t.Error("there is still a line")
	}
}

// TestRemoteWithoutFeedback gets what it wants, as without estimation, after a while.
func TestRemoteWithoutFeedback(t *testing.T) {
	v := newViewing(t, 7, true, simulcastRates...)
	s := videoSection(100, 200, true)
	s.TransportCC = false
	v.client.core.SetSections(v.net.Now, []media.Section{s})
	if took := v.until(2, 10*time.Second); took > 3*time.Second {
		t.Errorf("top encoding after %v", took)
	}
	v.run(5 * time.Second)
	v.log(t, "without")
	if l := v.server.core.Snapshot(v.net.Now).Line; l.Feedback != peer.FeedbackNone || v.server.has(peer.EventPaused) {
		t.Errorf("%+v", l)
	}
}

// TestRemoteWithREMB is limited by what the remote says.
func TestRemoteWithREMB(t *testing.T) {
	v := newViewing(t, 8, true, simulcastRates...)
	s := videoSection(100, 200, true)
	s.TransportCC = false
	v.client.core.SetSections(v.net.Now, []media.Section{s})
	v.client.core.SetBitrateCap(v.net.Now, 700_000)
	v.run(20 * time.Second)
	v.log(t, "700")
	if l := v.server.core.Snapshot(v.net.Now).Line; l.Feedback != peer.FeedbackREMB || v.screen.encoding != 1 {
		t.Errorf("encoding %d by %v", v.screen.encoding, l.Feedback)
	}
	v.client.core.SetBitrateCap(v.net.Now, 5_000_000)
	v.run(20 * time.Second)
	v.log(t, "5000")
	if v.screen.encoding != 2 {
		t.Errorf("encoding %d", v.screen.encoding)
	}
}

// bothSections are one of video and one of audio.
func bothSections(mine, theirs uint32) []media.Section {
	v, a := videoSection(mine, theirs, true), videoSection(mine+10, theirs+10, false)
	a.Index, a.MID, a.Kind = 1, "1", media.Audio
	a.Codecs[0] = media.Codec{Name: media.Opus, PayloadType: 111, ClockRate: 48000}
	return []media.Section{v, a}
}

// TestAudioIsNumbered only where the line is estimated, and never waits.
func TestAudioIsNumbered(t *testing.T) {
	for _, on := range []bool{false, true} {
		n := simnet.New(9)
		away := simnet.Conditions{Delay: 10 * time.Millisecond}
		server := newSide(t, n, "192.0.2.1:5000", false, away, options())
		client := newSide(t, n, "192.0.2.2:6000", true, away, options())
		connect(n, client, server)
		client.core.SetSections(n.Now, bothSections(100, 200))
		server.core.SetSections(n.Now, bothSections(200, 100))
		if on {
			server.estimate(n.Now)
		}
		camera := newCamera(n.Now, server, 0, 300e3)
		sound := &route.Track{Kind: media.Audio, ClockRate: 48000}
		t.Cleanup(sound.Close)
		server.core.Subscription(1).Attach(n.Now, sound)
		numbers := map[uint16]int{}
		audio := 0
		n.Sniff = func(from, _ netip.AddrPort, b []byte) {
			var h rtp.Header
			if from != server.port.Addr || !isRTP(b) || h.Parse(b) != nil {
				return
			}
			if h.SSRC == 210 {
				audio++
			}
			for it := h.Extensions(b); it.Next(); {
				if seq, ok := rtp.TransportSequence(it.Data); ok && it.ID == 3 {
					if numbers[seq]++; h.SSRC == 210 && !on {
						t.Fatal("audio has a number")
					}
				}
			}
		}
		for i := range 500 {
			if i%2 == 0 {
				camera.picture(n.Now)
			}
			server.shard.now = n.Now
			b := server.shard.pool.Get()
			p := route.Packet{Buf: b, Seq: uint64(i + 1), Arrival: n.Now, Timestamp: uint32(i * 960), SSRC: 90, Len: 100, Codec: media.Opus, PayloadType: 111}
			clear(p.Payload())
			sound.Push(p)
			sound.Flush(n.Now)
			server.shard.flush()
			n.RunFor(20 * time.Millisecond)
		}
		n.RunFor(time.Second)
		if audio != 500 {
			t.Errorf("%v: %d packets of audio", on, audio)
		}
		for seq, times := range numbers {
			if times != 1 {
				t.Errorf("%v: number %d %d times", on, seq, times)
			}
		}
		l := server.core.Snapshot(n.Now).Line
		if !on {
			continue
		}
		if len(numbers) < 750 || l.Audio.Packets != 500 || l.Counts.NeverSent > 0 || l.Counts.Received+3 < uint64(len(numbers)) {
			t.Errorf("%d numbers, %+v", len(numbers), l)
		}
	}
}

// FuzzLine sends whatever feedback a remote could to a peer that estimates its line, with
// media between. The input is a list of RTCP packets, each behind a byte of milliseconds and one of
// length in words.
func FuzzLine(f *testing.F) {
	put := func(seed []byte, ms byte, b []byte) []byte {
		return append(append(seed, ms, byte(len(b)/4)), b...)
	}
	var seed []byte
	for i := range 6 {
		seed = put(seed, 50, rtcp.AppendTWCC(nil, rtcp.Ends{Sender: 1, Media: 200},
			&rtcp.TWCC{Base: uint16(4*i + 1), Reference: uint32(i), Feedback: uint8(i)}, []int32{0, 40, rtcp.NotReceived, 120}))
	}
	seed = put(seed, 10, rtcp.AppendREMB(rtcp.AppendRR(nil, 1, nil), 1, 50_000, 200))
	seed = put(seed, 10, rtcp.AppendNACK(nil, rtcp.Ends{Sender: 1, Media: 200}, []uint16{1, 2, 5}))
	seed = put(seed, 200, rtcp.AppendRR(nil, 1, []rtcp.ReportBlock{{SSRC: 200, FractionLost: 200, HighestSeq: 20}}))
	f.Add(seed, true)
	f.Add(seed, false)
	f.Fuzz(func(t *testing.T, in []byte, rtx bool) {
		n := simnet.New(1)
		opt := options()
		opt.NoDTLS = true
		server := newSide(t, n, "192.0.2.1:5000", false, simnet.Conditions{}, opt)
		client := newSide(t, n, "192.0.2.2:6000", true, simnet.Conditions{}, opt)
		link(n, client, server)
		server.core.SetSections(n.Now, []media.Section{videoSection(200, 100, rtx)})
		server.estimate(n.Now)
		client.port.Down = true
		camera := newCamera(n.Now, server, 0, simulcastRates...)
		now := n.Now
		for k := 0; len(in) >= 2 && k < 200; k++ {
			wait, size := time.Duration(in[0])*time.Millisecond, min(4*int(in[1]), len(in)-2)
			camera.picture(now)
			now = now.Add(wait)
			n.Now = now
			server.shard.Inject(now, []netio.Message{{Buf: in[2 : 2+size], N: size, Remote: client.port.Addr, Local: server.port.Addr.Addr()}})
			in = in[2+size:]
		}
		n.RunFor(3 * time.Second)
		if d := server.shard.Stats().Drops[media.DropPanic]; d > 0 {
			t.Fatal("feedback made the peer panic")
		}
		if l := server.core.Snapshot(n.Now).Line; l != nil && (l.Target < bwe.DefaultMin || l.Target > bwe.DefaultMax) {
			t.Fatalf("target %d", l.Target)
		}
	})
}
