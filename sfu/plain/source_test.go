package plain

import (
	"bytes"
	"net/netip"
	"slices"
	"testing"
	"time"

	"bifrons/rtp"
	"bifrons/rtp/codec"
	"bifrons/rtp/mono"
	"bifrons/rtp/pktbuf"
	"bifrons/rtp/rtcp"
	"bifrons/sfu/media"
	"bifrons/sfu/route"
)

// bench is a Source on a loop of its own, with what comes out of its tracks.
type bench struct {
	t      testing.TB
	pool   *pktbuf.Pool
	source *Source
	now    mono.Time
	drops  [media.NumDrops]int
	out    []route.Packet
	keep   bool // out remembers
	skips  []uint64
	back   [][]byte // what the source was told
}

func newBench(t testing.TB, tracks ...TrackConfig) *bench {
	b := &bench{t: t, pool: pktbuf.NewPool(1 << 15), now: mono.Time(time.Hour), keep: true}
	b.source = NewSource(b, tracks, nil)
	for i := range tracks {
		b.source.Track(i).AddTap(b)
		b.source.SetFeedback(i, func(m []byte) bool { b.back = append(b.back, bytes.Clone(m)); return true })
	}
	t.Cleanup(func() {
		for _, p := range b.out {
			p.Buf.Release()
		}
		b.source.Close()
		if n := b.pool.Outstanding(); n != 0 {
			t.Errorf("%d buffers not released", n)
		}
	})
	return b
}

func (b *bench) Flush(t *route.Track)       { t.Flush(b.now) }
func (b *bench) Forward(t *route.Track)     { t.Flush(b.now) }
func (b *bench) Drop(d media.Drop)          { b.drops[d]++ }
func (b *bench) Buffer() *pktbuf.Buf        { return b.pool.Get() }
func (b *bench) Reserve() []byte            { return make([]byte, 1500) }
func (b *bench) Commit(netip.AddrPort, int) {}
func (b *bench) Changed(*route.Track)       {}
func (b *bench) Ended()                     {}
func (b *bench) Skip(p *route.Packet)       { b.skips = append(b.skips, p.Seq) }
func (b *bench) Take(p *route.Packet) {
	if b.keep {
		p.Buf.Retain()
		b.out = append(b.out, *p)
	}
}

// send gives the source a packet.
func (b *bench) send(i, encoding int, seq uint16, ts, ssrc uint32, payload []byte) {
	buf := b.pool.Get()
	rtp.FixedHeader{PayloadType: 33, SequenceNumber: seq, Timestamp: ts, SSRC: ssrc}.Put(buf.B)
	buf.N = rtp.FixedHeaderLen + copy(buf.B[rtp.FixedHeaderLen:], payload)
	if !b.source.HandleRTP(b.now, i, encoding, buf) {
		buf.Release()
	}
}

func (b *bench) numbers() (list []uint16) {
	for i := range b.out {
		list = append(list, uint16(b.out[i].Seq))
	}
	return list
}

var h264 = media.Codec{Name: media.H264, PayloadType: 126, ClockRate: 90000}

var (
	idr   = []byte{0x65, 0x88, 1, 2, 3}
	slice = []byte{0x41, 0x9a, 1, 2, 3}
	sets  = codec.AppendParameterSets(nil, []byte{0x67, 0x42, 0xe0, 0x1f}, []byte{0x68, 0xce, 0x3c, 0x80})
)

// TestParameterSets puts parameter sets before every IDR picture, and lets late
// packets keep the numbers that were meant for them.
func TestParameterSets(t *testing.T) {
	b := newBench(t, TrackConfig{Kind: media.Video, Codec: h264, ParameterSets: sets})
	b.send(0, 0, 65534, 0, 7, slice)
	b.send(0, 0, 0, 3000, 7, idr) // 65535 is late
	b.send(0, 0, 1, 3000, 7, idr) // another slice of the picture
	b.send(0, 0, 65535, 0, 7, slice)
	b.send(0, 0, 2, 6000, 7, slice)
	b.send(0, 0, 3, 9000, 7, idr)
	want := []uint16{65534, 0, 1, 2, 65535, 3, 4, 5}
	if got := b.numbers(); !slices.Equal(got, want) {
		t.Fatalf("numbers %v, want %v", got, want)
	}
	for i := range b.out {
		p := &b.out[i]
		injected := i == 1 || i == 6
		if bytes.Equal(p.Payload(), sets) != injected || p.Info.Keyframe != injected {
			t.Errorf("packet %d: %x, key frame %v", i, p.Payload(), p.Info.Keyframe)
		}
		if injected && (p.Timestamp != b.out[i+1].Timestamp || p.Marker || p.PayloadType != 126 || p.SSRC != b.out[i+1].SSRC) {
			t.Errorf("packet %d: %+v", i, p)
		}
	}
}

// TestParameterSetsElsewhere lets a track without parameter sets start at IDR
// pictures, but no other.
func TestParameterSetsElsewhere(t *testing.T) {
	b := newBench(t, TrackConfig{Kind: media.Video, Codec: h264})
	b.send(0, 0, 1, 0, 7, idr)
	b.send(0, 0, 2, 3000, 7, sets)
	b.send(0, 0, 3, 3000, 7, idr)
	for i, want := range []bool{true, true, false} {
		if b.out[i].Info.Keyframe != want {
			t.Errorf("packet %d is a key frame: %v", i, !want)
		}
	}
}

func TestHeld(t *testing.T) {
	b := newBench(t, TrackConfig{Kind: media.Video, Codec: h264})
	b.source.SetHeld(true)
	b.now += mono.Time(time.Second)
	b.send(0, 0, 1, 0, 7, idr)
	if at, ok := b.source.LastPacket(0); !ok || at != b.now || len(b.out) != 0 || b.drops[media.DropDisabled] != 1 {
		t.Errorf("last packet at %v, %d came through", at, len(b.out))
	}
	b.source.SetHeld(false)
	b.send(0, 0, 2, 0, 7, idr)
	if len(b.out) != 1 {
		t.Error("nothing came through again")
	}
}

// TestLimitBitrate tells the source of the lowest limit, once a second.
func TestLimitBitrate(t *testing.T) {
	b := newBench(t, TrackConfig{Kind: media.Audio}, TrackConfig{Kind: media.Video, Codec: h264})
	b.send(1, 0, 1, 0, 7, idr)
	for _, bps := range []uint64{900_000, 500_000, 700_000} {
		b.source.LimitBitrate(b.now, bps)
	}
	b.source.Tick(b.now + mono.Time(999*time.Millisecond))
	if len(b.back) != 1 {
		t.Fatalf("%d messages", len(b.back))
	}
	b.source.Tick(b.now + mono.Time(time.Second))
	var got []uint64
	for _, m := range b.back {
		it := rtcp.Parse(m)
		it.Next()
		f, _ := it.Packet.Feedback()
		r, ok := f.REMB()
		if !ok || r.Len() != 1 || r.SSRC(0) != 7 {
			t.Fatalf("%x", m)
		}
		got = append(got, r.Bitrate)
	}
	if len(got) != 2 || got[0] > 900_000 || got[0] < 890_000 || got[1] > 500_000 || got[1] < 490_000 {
		t.Errorf("limits %d", got)
	}
	b.source.Tick(b.now + mono.Time(10*time.Second))
	if len(b.back) != 2 {
		t.Error("an old limit was sent again")
	}
}

// TestSkew lets a slow source jump, without numbers that nobody can ask for.
func TestSkew(t *testing.T) {
	opus := media.Codec{Name: media.Opus, PayloadType: 111, ClockRate: 48000}
	b := newBench(t, TrackConfig{Kind: media.Audio, Codec: opus, Skew: true})
	for i := range uint32(20_000) { // 400 s, in which the source loses 800 ms
		b.now += mono.Time(20*time.Millisecond + 40*time.Microsecond)
		b.send(0, 0, uint16(i), i*960, 7, []byte{1})
	}
	first, last := b.out[0], b.out[len(b.out)-1]
	numbers, units := last.Seq-first.Seq, last.Timestamp-first.Timestamp
	if numbers*960 != uint64(units) || numbers < 20_000+4*6 || len(b.skips) != 0 {
		t.Errorf("%d numbers, %d timestamp units", numbers, units)
	}
}

// TestNoAllocations takes packets of all kinds.
func TestNoAllocations(t *testing.T) {
	b := newBench(t, TrackConfig{Kind: media.Video, Codec: h264, ParameterSets: sets, Skew: true, Keep: route.Keep{Bytes: 1 << 16}})
	b.keep = false
	seq := uint16(0)
	next := func() {
		b.now += mono.Time(33 * time.Millisecond)
		payload := slice
		if seq%50 == 0 {
			payload = idr
		}
		b.send(0, 0, seq, uint32(seq)*3000, 7, payload)
		seq++
	}
	for range 3000 {
		next()
	}
	if n := testing.AllocsPerRun(2000, next); n != 0 {
		t.Errorf("%v allocations a packet", n)
	}
}

// TestSenderReports: reports are kept for the encoding that they speak of, also the first
// one that comes before there are packets; what is no RTCP does nothing.
func TestSenderReports(t *testing.T) {
	b := newBench(t, TrackConfig{Kind: media.Video, Codec: h264, Simulcast: true}, TrackConfig{Kind: media.Video, Codec: h264})
	report := func(i int, ssrc, ts uint32) {
		b.source.HandleRTCP(5, i, rtcp.AppendSR(nil, &rtcp.SenderInfo{SSRC: ssrc, NTP: 1 << 40, RTPTime: ts}, nil))
	}
	want := func(track, encoding, packet int, ts uint32) {
		t.Helper()
		r := b.source.Track(track).Report(uint8(encoding))
		if r != (route.Report{SSRC: b.out[packet].SSRC, Timestamp: ts, NTP: 1 << 40, At: 5}) {
			t.Errorf("track %d, encoding %d: %+v", track, encoding, r)
		}
	}
	report(0, 7, 100)
	b.send(0, 0, 1, 0, 7, idr)
	want(0, 0, 0, 100)
	b.send(0, 1, 1, 0, 8, idr)
	b.send(1, 0, 1, 0, 9, idr)
	report(0, 8, 200)
	report(-1, 9, 300)
	report(0, 99, 400)
	report(-1, 99, 400)
	b.source.HandleRTCP(5, 0, []byte{0x80, 200, 0, 6, 1})
	want(0, 0, 0, 100)
	want(0, 1, 1, 200)
	want(1, 0, 2, 300)
}
