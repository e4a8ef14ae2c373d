package route

import (
	"slices"
	"testing"
)

func TestLateAndLostPackets(t *testing.T) {
	f := newFixture(t)
	for _, seq := range []uint64{10, 11, 14, 12, 13, 16} {
		f.push(seq, uint32(seq)*100, func(p *Packet) { p.Info.Keyframe = seq == 10 })
	}
	want := []uint64{1, 2, 5, 3, 4, 7}
	for i, o := range f.out.sent {
		if o.Seq != want[i] {
			t.Errorf("source %d became %d, want %d", f.out.seqs[i], o.Seq, want[i])
		}
	}
}

// TestLateStartOfKeyframe: what lies behind a start that was lost and repeated
// has come before it, in the same pass or earlier.
func TestLateStartOfKeyframe(t *testing.T) {
	for name, tt := range map[string]struct {
		passes [][]uint64
		want   []uint64
	}{
		"earlier passes": {[][]uint64{{11}, {12}, {10}, {13}}, []uint64{10, 11, 12, 13}},
		"same pass":      {[][]uint64{{11, 12, 10, 13}}, []uint64{10, 11, 12, 13}},
		"both":           {[][]uint64{{12}, {13, 10, 11, 14}}, []uint64{10, 12, 13, 11, 14}},
		"with a gap":     {[][]uint64{{11, 13}, {10}, {12, 14}}, []uint64{10, 11, 13, 12, 14}},
	} {
		for _, simulcast := range []bool{false, true} {
			f := newFixture(t)
			f.track.Simulcast = simulcast
			if simulcast {
				f.push(500, 0, sim(0, true))
			}
			for _, pass := range tt.passes {
				f.now += 10 * ms
				for _, seq := range pass {
					f.track.Push(f.packet(seq, 90000, func(p *Packet) {
						sim(1, seq == 10)(p)
						p.Marker = false
					}))
				}
				f.track.Flush(f.now)
			}
			got, sent := f.out.seqs, f.out.sent
			if simulcast {
				got, sent = got[1:], sent[1:]
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("%s: sent %v, want %v", name, got, tt.want)
				continue
			}
			for i := range sent {
				if sent[i].Seq != sent[0].Seq+got[i]-10 || sent[i].Timestamp != sent[0].Timestamp {
					t.Errorf("%s: %d became %+v", name, got[i], sent[i])
				}
			}
		}
	}
}

// TestLateStartKeepsTime: a picture that begins late has the time at which it
// should have begun.
func TestLateStartKeepsTime(t *testing.T) {
	f := newFixture(t)
	f.track.Simulcast = true
	f.push(500, 0, sim(0, true))
	f.now += 100 * ms
	f.push(11, 700, sim(1, false))
	f.now += 100 * ms
	f.push(12, 700+9000, sim(1, false))
	f.push(10, 700, sim(1, true))
	got := f.out.sent
	if len(got) != 4 {
		t.Fatalf("sent %+v", got)
	}
	for i, want := range []uint32{0, 9000, 9000, 18000} {
		if d := got[i].Timestamp - got[0].Timestamp; d != want {
			t.Errorf("packet %d has time %d, want %d", i, d, want)
		}
	}
}

// TestPauseIsNotCaughtUpOn: what came during a pause is not sent after it.
func TestPauseIsNotCaughtUpOn(t *testing.T) {
	f := newFixture(t)
	f.push(9, 0, key)
	f.sub.SetPaused(f.now, true)
	f.push(11, 6000, nil)
	f.now += 10 * ms
	f.sub.SetPaused(f.now, false)
	f.push(10, 3000, key)
	if !slices.Equal(f.out.seqs, []uint64{9, 10}) {
		t.Errorf("sent %v", f.out.seqs)
	}
}
