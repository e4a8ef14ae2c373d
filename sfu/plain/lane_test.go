package plain

import (
	"testing"
	"time"

	"bifrons/rtp"
	"bifrons/rtp/mono"
	"bifrons/sfu/media"
)

// TestJudge shows what continues a lane and what begins it anew.
func TestJudge(t *testing.T) {
	const rate = 90000
	ms := mono.Time(time.Millisecond)
	steps := []struct {
		name  string
		after mono.Time
		seq   uint16
		ts    uint32
		ssrc  uint32
		want  verdict
	}{
		{"first", 0, 100, 0, 7, begins},
		{"next", 33 * ms, 101, 3000, 7, follows},
		{"lost one", 66 * ms, 104, 9000, 7, follows},
		{"late", ms, 103, 6000, 7, follows},
		{"again", 300 * ms, 103, 6000, 7, repeated},
		{"a lower number with a later picture", ms, 102, 12000, 7, follows},
		{"stray number", 0, 30000, 9000, 7, suspect},
		{"after the stray", 33 * ms, 105, 12000, 7, follows},
		{"again after a pause", 400 * ms, 104, 9000, 7, suspect},
		{"long silence", 20000 * ms, 106, 12000 + 20*rate, 7, follows},
		{"far too late", 0, 99, 12000, 7, suspect},
		{"a lower number from later", 0, 98, 12000 + 21*rate, 7, suspect},
		{"clock jumps", 33 * ms, 107, 5, 7, begins},
		{"clock jumps back a little", 33 * ms, 108, 1<<32 - 2*rate, 7, begins},
		{"other sender", 33 * ms, 9, 0, 8, begins},
		{"first sender again", 33 * ms, 40004, 3000, 7, begins},
	}
	var ln lane
	now := mono.Time(time.Hour)
	for _, s := range steps {
		now += s.after
		h := rtp.Header{FixedHeader: rtp.FixedHeader{SequenceNumber: s.seq, Timestamp: s.ts, SSRC: s.ssrc}}
		got := ln.judge(now, &h, rate)
		if got != s.want {
			t.Errorf("%s: judged %v, want %v", s.name, got, s.want)
		}
		key := ln.key
		switch got {
		case begins:
			if ln.begin(&h); ln.key == key {
				t.Errorf("%s: no other key", s.name)
			}
			fallthrough
		case follows:
			ln.take(now, &h, rate)
		}
	}
}

func TestCollision(t *testing.T) {
	var ln lane
	now := mono.Time(time.Hour)
	h := rtp.Header{FixedHeader: rtp.FixedHeader{SSRC: 1, SequenceNumber: 1}}
	ln.begin(&h)
	ln.take(now, &h, 8000)
	other := rtp.Header{FixedHeader: rtp.FixedHeader{SSRC: 2}}
	if d := ln.admit(now.Add(time.Second), &other, 2*time.Second); d != media.DropCollision {
		t.Error("another sender was taken too early: ", d)
	}
	if d := ln.admit(now.Add(2*time.Second), &other, 2*time.Second); d != media.DropNone {
		t.Error("another sender was not taken after the pause: ", d)
	}
	if d := ln.admit(now, &other, 0); d != media.DropNone {
		t.Error("another sender was not taken: ", d)
	}
}
