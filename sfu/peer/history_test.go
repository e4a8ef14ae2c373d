package peer

import (
	"testing"
	"time"
	"unsafe"

	"bifrons/rtp/mono"
)

// TestRecordSize: every subscriber has one for each packet of the last second.
func TestRecordSize(t *testing.T) {
	if n := unsafe.Sizeof(record{}); n > 32 {
		t.Errorf("%d bytes", n)
	}
}

// TestHistoryForgetsTheOld: what identifies an incoming packet repeats after an hour.
func TestHistoryForgetsTheOld(t *testing.T) {
	var h history
	begin := mono.Time(time.Hour)
	if !h.put(begin, record{seq: 7}) || h.get(begin.Add(maxAge*time.Millisecond), 7) == nil {
		t.Error("a record is missing")
	}
	if h.get(begin.Add((maxAge+1)*time.Millisecond), 7) != nil {
		t.Error("a record is there for ever")
	}
}
