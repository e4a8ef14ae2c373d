package shard

import (
	"net/netip"
	"testing"
	"time"

	"bifrons/rtp"
	"bifrons/rtp/mono"
	"bifrons/rtp/pacer"
	"bifrons/sfu/media"
)

// TestFramesAreSpread looks at when the packets of large pictures leave: at once while the
// line has room to spare, over a short while once it has shown its limit, and in order.
func TestFramesAreSpread(t *testing.T) {
	v := newViewing(t, 4, true, 520e3)
	v.camera.track.Ask = nil
	var first, last mono.Time // of the latest picture
	var stamp, order uint32
	var longest time.Duration
	v.net.Sniff = func(from, _ netip.AddrPort, b []byte) {
		var h rtp.Header
		if from != v.server.port.Addr || !isRTP(b) || h.Parse(b) != nil || h.SSRC != 200 {
			return
		}
		if h.Timestamp != stamp || order == 0 {
			first, stamp = v.net.Now, h.Timestamp
		}
		if seq := uint32(h.SequenceNumber); seq != order+1 && order != 0 {
			t.Fatalf("number %d after %d", seq, order)
		}
		order, last = uint32(h.SequenceNumber), v.net.Now
		longest = max(longest, last.Sub(first))
	}
	v.line(5e6)
	v.run(5 * time.Second)
	longest = 0
	v.run(5 * time.Second)
	if longest != 0 {
		t.Errorf("a picture left over %v on a free line", longest)
	}
	v.line(500e3)
	v.run(time.Second)
	v.line(750e3)
	v.run(5 * time.Second)
	longest = 0
	for range 5 {
		v.camera.track.RequestKeyframe(v.net.Now)
		v.run(time.Second)
	}
	v.log(t, "narrow")
	l := v.server.core.Snapshot(v.net.Now).Line
	if longest < 5*time.Millisecond || longest > pacer.Spread+10*time.Millisecond {
		t.Errorf("a picture left over %v, %d packets had to wait", longest, l.Paced)
	}
	if d := v.server.drops(media.DropPaced); d != l.Gone || d > l.Paced/100 {
		t.Errorf("%d packets of %d were gone", d, l.Paced)
	}
}
