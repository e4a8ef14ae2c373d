package route

import (
	"testing"
	"time"

	"bifrons/sfu/media"
)

// late attaches another subscription, as for a viewer that comes late.
func (f *fixture) late() (*recorder, *Subscription) {
	out := new(recorder)
	s := NewSubscription(out)
	s.Attach(f.now, f.track)
	return out, s
}

// frames pushes n frames of two packets, the first one a key frame if that is
// wanted, 33 ms apart.
func (f *fixture) frames(seq *uint64, n int, keyframe bool) {
	for i := range n {
		f.now += 33 * ms
		ts := uint32(*seq) * 1500
		f.push(*seq, ts, func(p *Packet) { p.Info.Keyframe = keyframe && i == 0; p.Marker = false })
		f.push(*seq+1, ts, nil)
		*seq += 2
	}
}

func (r *recorder) wants(t *testing.T, what string, first, last uint64) {
	t.Helper()
	if len(r.seqs) != int(last-first)+1 {
		t.Fatalf("%s: got %v, want %d to %d", what, r.seqs, first, last)
	}
	for i, seq := range r.seqs {
		if seq != first+uint64(i) || r.sent[i].Seq != uint64(i)+1 {
			t.Fatalf("%s: got %v as %+v, want %d to %d", what, r.seqs, r.sent, first, last)
		}
	}
}

func TestLateSubscriptionStartsAtKeyframe(t *testing.T) {
	f := newFixture(t)
	f.track.Keep = Keep{Time: time.Minute}
	seq := uint64(100)
	f.frames(&seq, 3, false) // not to be kept: no key frame yet
	f.frames(&seq, 5, true)
	key := seq
	f.frames(&seq, 10, true)
	out, s := f.late()
	out.wants(t, "at once", key, seq-1)
	f.frames(&seq, 5, false)
	out.wants(t, "later", key, seq-1)
	if p := f.track.Find(0, uint16(key)); p == nil || p.Seq != key {
		t.Error("what is kept cannot be asked for again")
	}

	// Going on after a pause is not a new start.
	n := len(out.sent)
	s.SetPaused(f.now, true)
	s.SetPaused(f.now, false)
	if len(out.sent) != n {
		t.Error("a pause was followed by old packets")
	}
}

// TestKeepLimits shows what is kept, and that a subscription that got only the
// beginning goes on with the next key frame.
func TestKeepLimits(t *testing.T) {
	for name, keep := range map[string]Keep{
		"time":  {Time: 70 * time.Millisecond},
		"bytes": {Bytes: 699},
		"both":  {Time: time.Hour, Bytes: 650},
	} {
		f := newFixture(t)
		f.track.Keep = keep
		seq := uint64(1)
		f.frames(&seq, 10, true) // 200 bytes each
		out, _ := f.late()
		out.wants(t, name, 1, 6)
		f.frames(&seq, 5, false)
		out.wants(t, name+", then nothing", 1, 6)
		next := seq
		f.frames(&seq, 2, true)
		if n := len(out.seqs); n != 10 || out.seqs[6] != next || out.sent[6].Seq != 7 {
			t.Errorf("%s: got %v as %+v, then %d", name, out.seqs, out.sent, next)
		}
	}
}

func TestKeepForgetsAnotherSource(t *testing.T) {
	f := newFixture(t)
	f.track.Keep = Keep{Bytes: 1 << 20}
	seq := uint64(1)
	f.frames(&seq, 3, true)
	f.push(1, 0, func(p *Packet) { p.SSRC = 2 })
	if out, _ := f.late(); len(out.sent) != 0 {
		t.Errorf("got %v of a source that is gone", out.seqs)
	}
	f.track.Simulcast = true
	f.push(2, 3000, func(p *Packet) { p.SSRC = 2; key(p) })
	if f.track.Start() != nil {
		t.Error("packets of several encodings were kept")
	}
}

// TestSeed moves what is kept to another track, while packets arrive there.
func TestSeed(t *testing.T) {
	f := newFixture(t)
	f.track.Keep = Keep{Time: time.Minute}
	other := &Track{Kind: media.Video, ClockRate: 90000, Keep: f.track.Keep}
	defer other.Close()
	seq := uint64(1)
	f.frames(&seq, 4, true)
	kept := f.track.Start()
	other.Await()
	for range 3 {
		other.Push(Packet{Buf: f.pool.Get(), Seq: seq, Arrival: f.now, Timestamp: uint32(seq) * 1500, SSRC: 1,
			Off: 12, Len: 100, Codec: media.H264, Read: true})
		seq++
	}
	other.Flush(f.now)
	other.Seed(kept)
	out := new(recorder)
	NewSubscription(out).Attach(f.now, other)
	out.wants(t, "replica", 1, seq-1)
}
