package plain

import (
	"testing"
	"time"

	"bifrons/rtp"
	"bifrons/rtp/mono"
	"bifrons/sfu/media"
)

// TestFollow shows what continues a lane and what begins it anew.
func TestFollow(t *testing.T) {
	const rate = 90000
	ms := mono.Time(time.Millisecond)
	type step struct {
		name  string
		after mono.Time
		seq   uint16
		ts    uint32
		ssrc  uint32
		ok    bool
		fresh bool // another key than before
	}
	steps := []step{
		{"first", 0, 100, 0, 7, true, true},
		{"next", 33 * ms, 101, 3000, 7, true, false},
		{"lost one", 66 * ms, 104, 9000, 7, true, false},
		{"late", ms, 103, 6000, 7, true, false},
		{"stray number", 0, 30000, 9000, 7, false, false},
		{"after the stray", 33 * ms, 105, 12000, 7, true, false},
		{"jump", 0, 40000, 15000, 7, false, false},
		{"jump confirmed", 0, 40001, 15000, 7, true, true},
		{"long silence", 20000 * ms, 40002, 15000 + 20*rate, 7, true, false},
		{"clock jumps", 33 * ms, 40003, 5, 7, true, true},
		{"other sender", 33 * ms, 9, 0, 8, true, true},
		{"first sender again", 33 * ms, 40004, 3000, 7, true, true},
	}
	var ln lane
	now := mono.Time(time.Hour)
	for _, s := range steps {
		now += s.after
		key := ln.key
		ok := ln.follow(now, &rtp.Header{SequenceNumber: s.seq, Timestamp: s.ts, SSRC: s.ssrc}, rate)
		if ok != s.ok || (ln.key != key) != s.fresh {
			t.Errorf("%s: taken %v, new key %v, want %v, %v", s.name, ok, ln.key != key, s.ok, s.fresh)
		}
	}
}

func TestCollision(t *testing.T) {
	var ln lane
	now := mono.Time(time.Hour)
	h := rtp.Header{SSRC: 1, SequenceNumber: 1}
	ln.follow(now, &h, 8000)
	other := rtp.Header{SSRC: 2}
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
