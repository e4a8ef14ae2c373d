package srtp

import "testing"

func TestEstimate(t *testing.T) {
	started := func(top uint64) StreamState {
		var st StreamState
		st.commit(top)
		return st
	}
	for _, c := range []struct {
		name  string
		st    StreamState
		seq   uint16
		index uint64
		ok    bool
	}{
		{"first packet", StreamState{}, 65535, 65535, true},
		{"next", started(10), 11, 11, true},
		{"again", started(10), 10, 0, false},
		{"late", started(10), 9, 9, true},
		{"rollover", started(65535), 0, 65536, true},
		{"late across rollover", started(65537), 65530, 65530, true},
		{"before the stream began", started(3), 65530, 0, false},
		{"oldest in window", started(5000), 5000 - 1023, 5000 - 1023, true},
		{"behind window", started(5000), 5000 - 1024, 0, false},
		{"half a turn ahead, lower half", started(100), 100 + 1<<15, 100 + 1<<15, true},
		{"half a turn away, upper half", started(7<<16 + 40000), 40000 - 1<<15, 0, false},
		{"just below half a turn", started(7<<16 + 40000), 40000 - 1<<15 - 1, 8<<16 + 40000 - 1<<15 - 1, true},
		{"end of the key", started(indexLimit - 1), 0, 0, false},
	} {
		index, ok := c.st.estimate(c.seq)
		if ok != c.ok || ok && index != c.index {
			t.Errorf("%s: %d %v, want %d %v", c.name, index, ok, c.index, c.ok)
		}
	}
}

// The ring of the replay window against a set.
func TestReplayWindow(t *testing.T) {
	var st StreamState
	seen := map[uint64]bool{}
	for i, step := range []int64{70000, 1, 1, -1, 2, 63, 64, -64, 65, 700, -600, 1023, -1, 1024, -1023, 1, 5000, -3, -3, 1500, 63, 1} {
		index := uint64(int64(st.last) + step)
		got, ok := st.estimate(uint16(index))
		if !st.started {
			ok, got = true, index
		}
		want := !seen[index] && (index > st.top || st.top-index < replayWindow)
		if ok != want || ok && got != index {
			t.Fatalf("step %d, index %d (top %d): %d %v, want %v", i, index, st.top, got, ok, want)
		}
		if ok {
			st.commit(index)
			seen[index] = true
		}
		for back := range uint64(replayWindow) {
			_, fresh := st.estimate(uint16(st.top - back))
			if fresh == seen[st.top-back] {
				t.Fatalf("step %d: %d below %d fresh: %v", i, back, st.top, fresh)
			}
		}
	}
}

func TestRTCPReplay(t *testing.T) {
	var r rtcpReplay
	for _, c := range []struct {
		index rtcpIndex
		seen  bool
	}{
		{500, false}, {500, true}, {501, false}, {450, false}, {450, true}, {501 - 127, false},
		{501 - 128, true}, {565, false}, {501, true}, {450, true}, {630, false}, {565, true},
		{1000, false}, {630, true}, {999, false}, {873, false}, {872, true},
	} {
		if got := r.seen(1, c.index); got != c.seen {
			t.Errorf("index %d: seen %v", c.index, got)
		}
		if !c.seen {
			r.commit(1, c.index)
		}
	}
}

func TestRTCPReplayForgetsTheSilent(t *testing.T) {
	var r rtcpReplay
	for ssrc := range uint32(rtcpStreams) {
		r.commit(ssrc, 9)
	}
	r.commit(0, 10) // speaks again
	r.commit(1000, 3)
	if !r.seen(0, 9) || !r.seen(1000, 3) || !r.seen(2, 9) {
		t.Error("a speaking SSRC was forgotten")
	}
	if r.seen(1, 9) {
		t.Error("the table did not make room by its most silent SSRC")
	}
}
