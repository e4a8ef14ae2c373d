package pipe

import (
	"testing"

	"bifrons/rtp"
	"bifrons/rtp/codec"
	"bifrons/rtp/mono"
	"bifrons/rtp/pktbuf"
	"bifrons/sfu/media"
	"bifrons/sfu/route"
)

// rig feeds a pipe from a track.
type rig struct {
	pool  *pktbuf.Pool
	track *route.Track
	pipe  *Pipe
	drops int
	seq   uint64
	mem   []byte
}

func newRig() *rig {
	x := &rig{pool: pktbuf.NewPool(4096), track: &route.Track{Kind: media.Audio, ClockRate: 48000}}
	x.pipe = New(Size, func(media.Drop) { x.drops++ })
	x.pipe.Attach(1, x.track)
	return x
}

// push gives the track a packet, and has it forwarded.
func (x *rig) push(ssrc uint32) {
	x.put(ssrc)
	x.track.Flush(mono.Time(x.seq))
}

// put gives the track a packet.
func (x *rig) put(ssrc uint32) {
	x.seq++
	b := x.pool.Get()
	rtp.FixedHeader{SequenceNumber: uint16(x.seq), SSRC: ssrc}.Put(b.B)
	b.N = rtp.FixedHeaderLen + 100
	x.track.Push(route.Packet{
		Buf: b, Seq: x.seq, Timestamp: uint32(x.seq) * 960, SSRC: ssrc, Arrival: mono.Time(x.seq),
		Off: rtp.FixedHeaderLen, Len: 100, PayloadType: 111, Codec: media.Opus,
	})
}

func (x *rig) next() (q Packet, ok bool) {
	x.mem, ok = x.pipe.Next(x.mem, &q)
	return q, ok
}

// TestCut has what came before the end, and was not forwarded yet.
func TestCut(t *testing.T) {
	x := newRig()
	x.put(9)
	x.pipe.Cut(2)
	x.put(9)
	x.track.Close()
	if q, ok := x.next(); !ok || q.Seq != 1 {
		t.Errorf("packet %+v, %v", q, ok)
	}
	if _, ok := x.next(); ok || !x.pipe.Over() || x.pool.Outstanding() != 0 {
		t.Errorf("more %v, over %v, %d buffers outstanding", ok, x.pipe.Over(), x.pool.Outstanding())
	}
}

// TestFull loses what there is no room for, and gives all memory back.
func TestFull(t *testing.T) {
	x := newRig()
	for range Size + 5 {
		x.push(9)
	}
	if x.pipe.Lost() != 5 || x.drops != 5 {
		t.Errorf("%d lost, %d counted", x.pipe.Lost(), x.drops)
	}
	if q, ok := x.next(); !ok || q.Seq != 1 || len(q.Data) != rtp.FixedHeaderLen+100 {
		t.Errorf("first %+v", q)
	}
	x.pipe.Cut(mono.Time(x.seq))
	x.push(9)
	if x.pipe.Over() {
		t.Error("over with packets in it")
	}
	x.pipe.Empty()
	x.track.Close()
	if !x.pipe.Over() || x.pool.Outstanding() != 0 {
		t.Errorf("over %v, %d buffers outstanding", x.pipe.Over(), x.pool.Outstanding())
	}
}

// TestReports checks that sender reports arrive, each once and before the packet that follows it.
func TestReports(t *testing.T) {
	x := newRig()
	x.push(9)
	x.track.Reported(0, route.Report{SSRC: 9, NTP: 1 << 40, Timestamp: 77, At: 5})
	x.push(9)
	x.push(9)
	for i, report := range []bool{false, true, false, false} {
		q, ok := x.next()
		if !ok || q.Report != report || report && (q.NTP != 1<<40 || q.Source != 77 || q.SSRC != 9 || q.Arrival != 5) {
			t.Errorf("%d: %+v", i, q)
		}
	}
}

// TestRewrite gives VP8 pictures the numbers of the subscription: they go on when the
// encoder starts anew.
func TestRewrite(t *testing.T) {
	x := newRig()
	x.track.Kind, x.track.ClockRate = media.Video, 90000
	var got []uint16
	for i, id := range []uint16{500, 7} {
		b := x.pool.Get()
		payload := append(b.B[:rtp.FixedHeaderLen], 0x90, 0x80, 0x80|byte(id>>8), byte(id), 0, 0, 0, 0x9d, 1, 0x2a, 64, 0, 64, 0, 1, 2, 3, 4, 5, 6)
		rtp.FixedHeader{}.Put(b.B)
		b.N = len(payload)
		p := route.Packet{
			Buf: b, Seq: uint64(i + 1), SSRC: uint32(i + 1), Arrival: mono.Time(i + 1), Off: rtp.FixedHeaderLen,
			Len: uint16(len(payload) - rtp.FixedHeaderLen), Codec: media.VP8, Read: true,
		}
		if err := p.VP8.Parse(p.Payload()); err != nil {
			t.Fatal(err)
		}
		p.Info = p.VP8.Info(p.Payload())
		x.track.Push(p)
		x.track.Flush(p.Arrival)
		q, ok := x.next()
		var d codec.VP8
		if err := d.Parse(q.Data[q.Head:]); !ok || err != nil || !q.Keyframe {
			t.Fatalf("%+v, %v", q, err)
		}
		got = append(got, d.PictureID)
	}
	if got[0] != 500 || got[1] != 501 {
		t.Errorf("picture ids %v", got)
	}
}

// TestAllocations: a packet costs no allocation on either side.
func TestAllocations(t *testing.T) {
	x := newRig()
	for range 4096 {
		x.push(9)
		x.next()
	}
	if n := testing.AllocsPerRun(2000, func() {
		x.push(9)
		x.next()
	}); n != 0 {
		t.Errorf("%v allocations for a packet", n)
	}
}

func BenchmarkPipe(b *testing.B) {
	x := newRig()
	b.ReportAllocs()
	for b.Loop() {
		x.push(9)
		x.next()
	}
}

// TestFill is about numbers under which nothing comes.
func TestFill(t *testing.T) {
	x := newRig()
	x.push(9)
	x.seq++
	x.push(9)
	x.track.Skip(5, &route.Packet{Seq: 2, Timestamp: 2 * 960, SSRC: 9})
	for _, want := range []struct {
		seq  uint64
		fill bool
	}{{1, false}, {3, false}, {2, true}} {
		if q, ok := x.next(); !ok || q.Seq != want.seq || q.Fill != want.fill || (len(q.Data) == 0) != want.fill {
			t.Errorf("%+v, %v, not %+v", q, ok, want)
		}
	}
	x.pipe.Cut(6)
	x.track.Close()
}
