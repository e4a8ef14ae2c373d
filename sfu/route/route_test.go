package route

import (
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"
	"time"

	"bifrons/rtp/codec"
	"bifrons/rtp/mono"
	"bifrons/rtp/pktbuf"
	"bifrons/sfu/media"
)

const ms = mono.Time(time.Millisecond)

// recorder is a Sink that remembers.
type recorder struct {
	sent      []Outgoing
	seqs      []uint64 // source numbers of sent
	subs      []uint8
	keys      []bool // of a key frame
	fills     []Outgoing
	current   media.Layer
	available media.Layer
}

func (r *recorder) Send(_ mono.Time, p *Packet, o Outgoing) {
	r.sent = append(r.sent, o)
	r.seqs = append(r.seqs, p.Seq)
	r.subs = append(r.subs, p.Encoding)
	r.keys = append(r.keys, p.Info.Keyframe)
}
func (r *recorder) Fill(_ mono.Time, _ *Packet, o Outgoing) { r.fills = append(r.fills, o) }
func (r *recorder) LayerChanged(c, all media.Layer)         { r.current, r.available = c, all }

// fixture is a video track with one subscription.
type fixture struct {
	t     testing.TB
	pool  *pktbuf.Pool
	track *Track
	sub   *Subscription
	out   recorder
	plis  int
	now   mono.Time
}

func newFixture(t testing.TB) *fixture {
	f := &fixture{t: t, pool: pktbuf.NewPool(1 << 14), now: 1000 * ms}
	f.track = &Track{Kind: media.Video, ClockRate: 90000, Keyframe: func(mono.Time) { f.plis++ }}
	f.sub = NewSubscription(&f.out)
	f.sub.Attach(f.now, f.track)
	t.Cleanup(func() {
		f.track.Close()
		if n := f.pool.Outstanding(); n != 0 {
			t.Errorf("%d buffers not released", n)
		}
	})
	return f
}

// packet makes a packet; later fields are set by the caller's function.
func (f *fixture) packet(seq uint64, ts uint32, set func(*Packet)) Packet {
	p := Packet{
		Buf: f.pool.Get(), Seq: seq, Arrival: f.now, Timestamp: ts, SSRC: 1, Off: 12, Len: 100,
		Codec: media.H264, Read: true, Marker: true,
		Info: codec.Info{FrameStart: true, FrameEnd: true},
	}
	if set != nil {
		set(&p)
	}
	return p
}

// push makes a packet and forwards it.
func (f *fixture) push(seq uint64, ts uint32, set func(*Packet)) {
	f.track.Push(f.packet(seq, ts, set))
	f.track.Flush(f.now)
}

func key(p *Packet) { p.Info.Keyframe = true }

func TestNothingBeforeKeyframe(t *testing.T) {
	f := newFixture(t)
	f.push(10, 0, nil)
	f.push(11, 3000, nil)
	if len(f.out.sent) != 0 {
		t.Fatal("forwarded before a key frame")
	}
	if f.plis == 0 {
		t.Fatal("no key frame was asked for")
	}
	f.push(12, 6000, key)
	f.push(13, 9000, nil)
	if len(f.out.sent) != 2 || f.out.sent[0].Seq != 1 || f.out.sent[1].Seq != 2 {
		t.Fatalf("sent %+v", f.out.sent)
	}
	if d := f.out.sent[1].Timestamp - f.out.sent[0].Timestamp; d != 3000 {
		t.Fatalf("timestamps differ by %d", d)
	}
}

func TestEncryptedNeedsNoKeyframe(t *testing.T) {
	f := newFixture(t)
	f.track.Encrypted = true
	f.push(10, 0, func(p *Packet) { p.Read = false })
	if len(f.out.sent) != 1 {
		t.Fatal("end-to-end encrypted media was held back")
	}
}

func TestAudioNeedsNoKeyframe(t *testing.T) {
	f := newFixture(t)
	f.track.Kind, f.track.ClockRate = media.Audio, 48000
	opus := func(p *Packet) { p.Codec = media.Opus }
	f.push(10, 0, opus)
	f.sub.SetPaused(f.now, true)
	f.sub.SetPaused(f.now, false)
	f.push(11, 960, opus)
	if len(f.out.sent) != 2 {
		t.Fatalf("%d packets sent, want 2", len(f.out.sent))
	}
}

func TestPauseLeavesNoGap(t *testing.T) {
	f := newFixture(t)
	f.push(10, 0, key)
	f.push(11, 3000, nil)
	f.sub.SetPaused(f.now, true)
	f.push(12, 6000, nil)
	f.push(13, 9000, nil)
	plis := f.plis
	f.sub.SetPaused(f.now, false)
	if f.plis == plis {
		t.Error("no key frame asked for after a pause")
	}
	f.push(14, 12000, nil)
	f.push(15, 15000, key)
	f.push(14, 12000, nil) // late, from before the new base
	if n := len(f.out.sent); n != 3 {
		t.Fatalf("%d packets sent, want 3", n)
	}
	last := f.out.sent[2]
	if last.Seq != 3 {
		t.Errorf("sequence number %d after the pause, want 3", last.Seq)
	}
	if d := last.Timestamp - f.out.sent[0].Timestamp; d != 15000 {
		t.Errorf("the stream's clock moved by %d, want 15000", d)
	}
}

func TestSourceChangeKeepsNumbers(t *testing.T) {
	f := newFixture(t)
	f.push(10, 1000, key)
	f.push(11, 4000, nil)
	f.now += 100 * ms
	other := func(p *Packet) { p.SSRC = 2; p.Info.Keyframe = true }
	f.push(50000, 77, other)
	f.push(50001, 3077, func(p *Packet) { p.SSRC = 2 })
	got := f.out.sent
	if len(got) != 4 || got[2].Seq != 3 || got[3].Seq != 4 {
		t.Fatalf("sent %+v", got)
	}
	if d := got[2].Timestamp - got[1].Timestamp; d != 9000 {
		t.Errorf("timestamp moved by %d over 100 ms, want 9000", d)
	}
	if d := got[3].Timestamp - got[2].Timestamp; d != 3000 {
		t.Errorf("timestamp moved by %d in the new source, want 3000", d)
	}
}

// TestNumberingProperty drops packets by choice, loses and reorders others, and
// expects that numbers are unique, keep the source's order, and have a gap
// exactly where a packet was lost.
func TestNumberingProperty(t *testing.T) {
	for seed := range uint64(50) {
		rng := rand.New(rand.NewPCG(seed, 1))
		var m numberer
		m.rebase(1000)
		type arrival struct {
			seq  uint64
			drop bool
			at   int
		}
		var list []arrival
		for i := range 500 {
			a := arrival{seq: 1000 + uint64(i), drop: i > 0 && rng.IntN(3) == 0, at: i}
			if i > 0 && rng.IntN(20) == 0 {
				continue // lost
			}
			if !a.drop && rng.IntN(10) == 0 {
				a.at += rng.IntN(8)
			}
			list = append(list, a)
		}
		// A stable order by time of arrival.
		for i := 1; i < len(list); i++ {
			for j := i; j > 0 && list[j].at < list[j-1].at; j-- {
				list[j], list[j-1] = list[j-1], list[j]
			}
		}
		used := map[uint64]uint64{}
		for _, a := range list {
			if a.drop {
				if filler, fill := m.skip(a.seq); fill {
					used[filler] = a.seq
				}
				continue
			}
			out, ok := m.use(a.seq)
			if !ok {
				continue
			}
			if other, taken := used[out]; taken {
				t.Fatalf("seed %d: %d and %d both became %d", seed, other, a.seq, out)
			}
			used[out] = a.seq
		}
		var last uint64
		for out := uint64(1); out < m.next; out++ {
			if src, ok := used[out]; ok {
				if src <= last {
					t.Fatalf("seed %d: order of %d and %d was swapped", seed, last, src)
				}
				last = src
			}
		}
	}
}

func sim(enc uint8, isKey bool) func(*Packet) {
	return func(p *Packet) {
		p.Encoding, p.SSRC = enc, uint32(100+enc)
		p.Info.Keyframe = isKey
	}
}

func TestSimulcastSwitchesOnKeyframes(t *testing.T) {
	f := newFixture(t)
	f.track.Simulcast = true
	f.push(1, 0, sim(0, false))
	f.push(500, 0, sim(1, true)) // the first key frame of any encoding starts
	if f.out.current.Encoding != 1 {
		t.Fatalf("current %+v after the first key frame", f.out.current)
	}
	f.push(2, 3000, sim(0, true)) // lower: not wanted
	f.push(900, 3000, sim(2, false))
	f.push(501, 3000, sim(1, false))
	f.push(901, 6000, sim(2, true))
	if f.out.current.Encoding != 2 {
		t.Fatalf("did not switch up: %+v", f.out.current)
	}
	f.push(502, 6000, sim(1, false))
	f.push(902, 9000, sim(2, false))
	f.sub.SetTarget(f.now, media.Layer{Encoding: 0, Spatial: -1, Temporal: -1}, 0)
	f.push(903, 12000, sim(2, false))
	f.push(3, 12000, sim(0, true))
	want := []uint8{1, 1, 2, 2, 2, 0}
	if len(f.out.subs) != len(want) {
		t.Fatalf("forwarded encodings %v, want %v", f.out.subs, want)
	}
	for i, o := range f.out.sent {
		if f.out.subs[i] != want[i] || o.Seq != uint64(i+1) {
			t.Fatalf("packet %d: encoding %d number %d, want %d, %d", i, f.out.subs[i], o.Seq, want[i], i+1)
		}
		if i > 0 && int32(o.Timestamp-f.out.sent[i-1].Timestamp) <= 0 {
			t.Errorf("timestamp of packet %d does not advance", i)
		}
	}
}

func TestSimulcastPauseEndsAtKeyframe(t *testing.T) {
	f := newFixture(t)
	f.track.Simulcast = true
	f.push(900, 0, sim(2, true))
	f.sub.SetPaused(f.now, true)
	f.push(901, 3000, sim(2, false))
	f.sub.SetPaused(f.now, false)
	f.push(902, 6000, sim(2, false))
	f.push(2, 6000, sim(0, true))
	if len(f.out.sent) != 1 {
		t.Fatalf("forwarded %v before a key frame of the current encoding", f.out.subs)
	}
	f.push(903, 9000, sim(2, true))
	f.push(904, 12000, sim(2, false))
	if n := len(f.out.sent); n != 3 || f.out.sent[2].Seq != 3 || f.out.current.Encoding != 2 {
		t.Fatalf("%d packets, current %+v", n, f.out.current)
	}
}

func TestSimulcastFallsBackWhenSilent(t *testing.T) {
	f := newFixture(t)
	f.track.Simulcast = true
	f.push(900, 0, sim(2, true))
	plis := f.plis
	f.now += 300 * ms
	f.push(498, 3000, sim(1, false)) // all have been silent, which is no reason
	f.push(901, 3000, sim(2, false))
	seq := uint64(499)
	frames := func(n int) {
		for range n {
			f.now += 30 * ms
			f.push(seq, uint32(seq)*3000, sim(1, false))
			seq++
		}
	}
	frames(8)
	if f.plis != plis || f.out.current.Encoding != 2 {
		t.Fatal("fell back too early")
	}
	frames(1) // only 2 has been silent, for too long
	if f.plis == plis {
		t.Fatal("no key frame was asked for to fall back")
	}
	f.push(seq, 15000, sim(1, true))
	if f.out.current.Encoding != 1 {
		t.Fatalf("current %+v, want encoding 1", f.out.current)
	}
	f.now += 10 * ms
	f.push(902, 18000, sim(2, true)) // it is back
	if f.out.current.Encoding != 2 {
		t.Fatalf("current %+v, want encoding 2 again", f.out.current)
	}
}

func temporal(tid int8, up bool) func(*Packet) {
	return func(p *Packet) {
		p.Encoding, p.SSRC, p.Codec = 0, 100, media.VP8
		p.Info.HasTemporal, p.Info.Temporal = true, tid
		if up {
			p.Info.SwitchUp, p.Info.UpFrom, p.Info.UpTo = true, -1, 7
		}
		p.VP8 = codec.VP8{HasPictureID: true, PictureIDBits: 15, PictureID: uint16(p.Seq), HasTL0: true, HasTID: true}
	}
}

func TestTemporalLayers(t *testing.T) {
	f := newFixture(t)
	f.track.Simulcast = true
	f.push(1, 0, func(p *Packet) { temporal(0, true)(p); p.Info.Keyframe = true })
	f.sub.SetTarget(f.now, media.Layer{Encoding: -1, Spatial: -1, Temporal: 1}, 0)
	for i, tid := range []int8{2, 1, 2, 0, 2, 1, 2, 0} {
		f.push(uint64(2+i), uint32(3000*(i+1)), temporal(tid, tid == 1))
	}
	var pids []uint16
	for i, o := range f.out.sent {
		if o.Seq != uint64(i+1) {
			t.Errorf("packet %d has number %d", i, o.Seq)
		}
		pids = append(pids, o.PictureID)
	}
	if len(pids) != 5 {
		t.Fatalf("%d packets forwarded, want 5 (layers 0 and 1)", len(pids))
	}
	for i := 1; i < len(pids); i++ {
		if pids[i] != pids[i-1]+1 {
			t.Errorf("picture ids %v are not contiguous", pids)
		}
	}
}

func TestSVC(t *testing.T) {
	f := newFixture(t)
	f.track.SVC = true
	n := uint64(0)
	picture := func(isKey bool) {
		for sid := range int8(3) {
			n++
			f.push(n, uint32((n-1)/3)*3000, func(p *Packet) {
				p.Codec, p.Marker = media.VP9, sid == 2
				p.Info = codec.Info{
					HasSpatial: true, Spatial: sid, FrameStart: true, FrameEnd: true,
					Keyframe: isKey && sid == 0, Flexible: true, Spatials: 3,
				}
			})
		}
	}
	picture(true)
	picture(false)
	if f.out.current.Spatial != 2 || len(f.out.sent) != 6 {
		t.Fatalf("layer %+v, %d packets", f.out.current, len(f.out.sent))
	}
	f.sub.SetTarget(f.now, media.Layer{Encoding: -1, Spatial: 0, Temporal: -1}, 0)
	picture(false)
	picture(false)
	if f.out.current.Spatial != 0 {
		t.Fatalf("layer %+v, want spatial 0", f.out.current)
	}
	if got := len(f.out.sent); got != 8 {
		t.Fatalf("%d packets, want 6 and the base layer of two pictures", got)
	}
	for i, o := range f.out.sent {
		if o.Seq != uint64(i+1) {
			t.Errorf("packet %d has number %d", i, o.Seq)
		}
		if top := i >= 6 || i%3 == 2; o.Marker != top {
			t.Errorf("packet %d: marker %v, want %v", i, o.Marker, top)
		}
	}
}

func TestCacheGrowsAndFinds(t *testing.T) {
	f := newFixture(t)
	for i := range uint64(400) {
		f.now += ms
		f.push(i, uint32(i), func(p *Packet) { p.Info.Keyframe = i == 0 })
	}
	if p := f.track.Find(0, 0); p == nil || p.Seq != 0 {
		t.Error("a packet of 400 ms ago is gone")
	}
	if f.track.Find(0, 500) != nil {
		t.Error("found a packet that never came")
	}
	f.track.Expire(f.now + 2000*ms)
	if f.track.Find(0, 399) != nil {
		t.Error("found an expired packet")
	}
}

// For a sink that asks for nothing again packets are not kept, but for those that wait and,
// until it has begun, what follows a key frame whose start is late.
func TestKeptForNobody(t *testing.T) {
	f := newFixture(t)
	f.sub.Once()
	next := uint64(11)
	push := func(n int) {
		for range n {
			f.now += ms
			f.push(next, uint32(next), nil)
			next++
		}
	}
	push(300)
	f.push(10, 10, func(p *Packet) { p.Info.Keyframe = true })
	if len(f.out.sent) != 301 {
		t.Fatalf("%d packets after a late start", len(f.out.sent))
	}
	f.now += 1000 * ms
	f.track.Expire(f.now)
	push(300)
	f.track.Expire(f.now)
	if n := f.pool.Outstanding(); n > int(keepBriefly/ms)+1 {
		t.Errorf("%d packets are kept for nobody", n)
	}
	for range 300 { // in one pass
		f.track.Push(f.packet(next, uint32(next), nil))
		next++
	}
	f.track.Flush(f.now)
	if n := len(f.out.sent); n != 901 {
		t.Errorf("%d packets came through", n)
	}
	late := next
	next++
	n := uint64(len(f.track.caches[0].slots))
	for next < late+n {
		push(1)
	}
	f.track.Push(f.packet(next, uint32(next), nil))
	f.track.Push(f.packet(late, uint32(late), nil)) // in the same place
	f.track.Flush(f.now)
	for i, want := range []uint64{late + n, late} {
		if got := f.out.seqs[len(f.out.seqs)-2+i]; got != want {
			t.Errorf("packet %d came through as %d", want, got)
		}
	}
	next++
	var other recorder
	NewSubscription(&other).Attach(f.now, f.track)
	push(300)
	f.track.Expire(f.now)
	if f.track.Find(0, uint16(next-300)) == nil {
		t.Error("nothing is kept for one who may ask")
	}
}

func TestForwardAllocatesNothing(t *testing.T) {
	f := newFixture(t)
	f.sub.Detach()
	f.sub = NewSubscription(discard{})
	f.sub.Attach(f.now, f.track)
	seq := uint64(0)
	push := func() {
		f.now += ms
		seq++
		f.track.Push(Packet{
			Buf: f.pool.Get(), Seq: seq, Arrival: f.now, Timestamp: uint32(seq), Codec: media.VP8, Len: 100,
			Read: true, Info: codec.Info{Keyframe: true}, VP8: codec.VP8{HasPictureID: true, PictureIDBits: 15},
		})
		f.track.Flush(f.now)
	}
	for range 3000 {
		push() // grow everything
	}
	if n := testing.AllocsPerRun(500, push); n != 0 {
		t.Errorf("%v allocations a packet", n)
	}
}

// BenchmarkForward takes a packet through a track to subscriptions; the time is
// that of one packet for all of them.
func BenchmarkForward(b *testing.B) {
	for _, subscriptions := range []int{1, 100} {
		b.Run(strconv.Itoa(subscriptions), func(b *testing.B) {
			f := newFixture(b)
			f.sub.Detach()
			for range subscriptions {
				NewSubscription(discard{}).Attach(f.now, f.track)
			}
			b.ReportAllocs()
			for seq := uint64(1); b.Loop(); seq++ {
				f.now += ms
				f.track.Push(Packet{
					Buf: f.pool.Get(), Seq: seq, Arrival: f.now, Timestamp: uint32(seq), Codec: media.VP8, Len: 100,
					Read: true, Marker: true, Info: codec.Info{Keyframe: true}, VP8: codec.VP8{HasPictureID: true, PictureIDBits: 15},
				})
				f.track.Flush(f.now)
			}
		})
	}
}

type discard struct{}

func (discard) Send(mono.Time, *Packet, Outgoing)     {}
func (discard) Fill(mono.Time, *Packet, Outgoing)     {}
func (discard) LayerChanged(media.Layer, media.Layer) {}

func TestLayerEventTellsTotals(t *testing.T) {
	f := newFixture(t)
	f.track.SVC = true
	f.push(1, 0, func(p *Packet) {
		p.Codec = media.VP9
		p.Info = codec.Info{HasSpatial: true, FrameStart: true, Keyframe: true, Spatials: 3, Temporals: 3}
	})
	if f.out.available.Spatial != 3 || f.out.available.Temporal != 3 {
		t.Errorf("told of %+v layers", f.out.available)
	}
}

// Packets of a frame that differ by little are padded to one size, others are
// left alone, and a replica takes them as they are.
func TestEvenSizes(t *testing.T) {
	f := newFixture(t)
	var sizes []int
	pool := f.pool
	push := func(seq uint64, ts uint32, n int) {
		b := pool.Get()
		for i := range b.B {
			b.B[i] = 0xee
		}
		f.track.Push(Packet{
			Buf: b, Seq: seq, Arrival: f.now, Timestamp: ts, SSRC: 7, Off: 20, Len: uint16(n), Codec: media.H264,
			Read: true, Info: codec.Info{Keyframe: seq == 1},
		})
	}
	tap := &keeper{}
	f.track.AddTap(tap)
	push(1, 100, 1000)
	push(2, 100, 1001)
	push(3, 100, 1001)
	push(4, 100, 980) // too short
	push(5, 200, 500) // another frame
	push(6, 200, 516)
	f.track.Flush(f.now)
	for _, p := range tap.list {
		sizes = append(sizes, len(p.Padded()))
		if n := int(p.Pad); n > 0 {
			if got := p.Padded()[p.Len:]; got[n-1] != byte(n) || n > 1 && got[0] != 0 {
				t.Errorf("packet %d: padding %v", p.Seq, got)
			}
		}
		if len(p.Payload()) != int(p.Len) || p.Payload()[p.Len-1] != 0xee {
			t.Errorf("packet %d: the payload changed", p.Seq)
		}
	}
	if want := []int{1001, 1001, 1001, 980, 516, 516}; !slices.Equal(sizes, want) {
		t.Errorf("sizes %v, want %v", sizes, want)
	}

	replica := &Track{Kind: media.Video, ClockRate: 90000, Replica: true}
	t.Cleanup(replica.Close)
	again := &keeper{}
	replica.AddTap(again)
	for i, n := range []uint16{1000, 1001} {
		replica.Push(Packet{Buf: pool.Get(), Seq: uint64(i + 1), Timestamp: 1, SSRC: 7, Len: n})
	}
	replica.Flush(f.now)
	if again.list[0].Pad != 0 {
		t.Error("a replica changed a packet")
	}
}

// keeper is a tap that keeps what it takes.
type keeper struct{ list []Packet }

func (k *keeper) Take(p *Packet) { k.list = append(k.list, *p) }
func (k *keeper) Skip(*Packet)   {}
func (k *keeper) Changed(*Track) {}
func (k *keeper) Ended()         {}

// TestLongGap: another stream after days without a packet goes on by the time that has
// passed.
func TestLongGap(t *testing.T) {
	f := newFixture(t)
	f.push(10, 0, key)
	for i, gap := range []time.Duration{30 * time.Hour, 10 * time.Hour, time.Second} {
		f.now = f.now.Add(gap)
		f.push(10, 0, func(p *Packet) {
			key(p)
			p.SSRC = uint32(i + 2)
		})
		sent := f.out.sent
		if len(sent) != i+2 {
			t.Fatalf("sent %+v", sent)
		}
		if d, want := sent[i+1].Timestamp-sent[i].Timestamp, uint32(int64(gap/time.Second)*90000); d != want {
			t.Errorf("after %v: %d units have passed, not %d", gap, d, want)
		}
	}
}

// What waits for a Flush is forwarded, however long ago it came: what is played or mixed
// late has the times that it should have come at.
func TestLatePackets(t *testing.T) {
	f := newFixture(t)
	f.sub.Once()
	f.push(10, 10, func(p *Packet) { p.Info.Keyframe = true })
	const late = 100
	for i := range uint64(late) {
		f.now += 20 * ms
		f.track.Push(f.packet(11+i, uint32(11+i), nil))
	}
	f.now += 10000 * ms
	f.track.Expire(f.now)
	f.track.Flush(f.now)
	for i := 1; i < len(f.out.sent); i++ {
		if f.out.sent[i].Seq != f.out.sent[i-1].Seq+1 || f.out.sent[i].Timestamp != f.out.sent[i-1].Timestamp+1 {
			t.Fatalf("after %v comes %v", f.out.sent[i-1], f.out.sent[i])
		}
	}
	if n := len(f.out.sent); n != late+1 {
		t.Errorf("%d packets came through", n)
	}
	f.track.Expire(f.now)
	if n := f.pool.Outstanding(); n > 0 {
		t.Errorf("%d packets are kept for nobody", n)
	}
}
