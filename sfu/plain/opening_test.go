package plain

import (
	"testing"
	"time"

	"bifrons/dtls/srtp"
	"bifrons/sfu/media"
)

// TestHeldKeepsRolloverCounter holds a source with SRTP back while its numbers go
// round.
func TestHeldKeepsRolloverCounter(t *testing.T) {
	b := newBench(t, TrackConfig{Kind: media.Audio, Codec: opus})
	tx, rx := secret(srtp.AES128CMSHA180, 1)
	b.source.SetOpener(rx)
	from := func(n uint64) {
		buf := b.pool.Get()
		buf.N = copy(buf.B, seal(tx, packet{seq: uint16(n), ts: uint32(n) * 960, ssrc: 7, payload: "x"}, uint32(n>>16)))
		if !b.source.HandleRTP(b.now, 0, 0, buf) {
			buf.Release()
		}
		b.now = b.now.Add(20 * time.Millisecond)
	}
	from(30000)
	b.source.SetHeld(true)
	for n := uint64(30001); n < 100000; n += 1000 {
		from(n)
	}
	if len(b.out) != 1 || b.drops[media.DropDisabled] != 70 {
		t.Errorf("%d came through", len(b.out)-1)
	}
	b.source.SetHeld(false)
	for n := range uint64(3) {
		from(100000 + n)
	}
	if len(b.out) != 4 {
		t.Errorf("%d came through again, %d were not authentic", len(b.out)-1, b.drops[media.DropSRTPAuth])
	}
}
