package peer

import (
	"testing"
	"unsafe"
)

// TestRecordSize: every subscriber has one for each packet of the last second.
func TestRecordSize(t *testing.T) {
	if n := unsafe.Sizeof(record{}); n > 32 {
		t.Errorf("%d bytes", n)
	}
}
