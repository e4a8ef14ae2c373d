package plain

import (
	"testing"
	"time"

	"bifrons/rtp"
	"bifrons/sfu/media"
)

// TestForwardAttach has a forwarder go on with another track, and with the first one again:
// what leaves is one stream, and what comes of a track that it has left does not leave.
func TestForwardAttach(t *testing.T) {
	for _, encoding := range []int{0, -1} {
		b := newBench(t, TrackConfig{Kind: media.Audio, Codec: opus}, TrackConfig{Kind: media.Audio, Codec: opus})
		w := &wireLoop{bench: b}
		f := NewForwarder(b.now, w, b.source.Track(0), Forward{SSRC: 99, Encoding: encoding})
		next := [2]struct {
			seq uint16
			ts  uint32
		}{{65530, 1 << 31}, {7, 0}}
		play := func(frames int) {
			for range frames {
				b.now = b.now.Add(20 * time.Millisecond)
				for i := range next {
					x := &next[i]
					x.seq++
					x.ts += 960
					b.send(i, 0, x.seq, x.ts, 7, []byte{byte(i)}) // both with the same SSRC
				}
			}
		}
		for i := range 4 {
			f.Attach(b.now, b.source.Track(i%2))
			play(50)
		}
		f.Close()
		play(10)
		if len(w.sent) != 200 {
			t.Fatalf("%d packets", len(w.sent))
		}
		var last rtp.Header
		for i, p := range w.sent {
			var h rtp.Header
			if err := h.Parse(p); err != nil {
				t.Fatal(err)
			}
			if from := p[rtp.FixedHeaderLen]; from != byte(i/50%2) || h.SSRC != 99 {
				t.Fatalf("packet %d is of track %d, SSRC %d", i, from, h.SSRC)
			}
			if i > 0 && (h.SequenceNumber != last.SequenceNumber+1 || h.Timestamp != last.Timestamp+960) {
				t.Fatalf("encoding %d, packet %d: %d@%d follows %d@%d", encoding, i, h.SequenceNumber, h.Timestamp, last.SequenceNumber, last.Timestamp)
			}
			last = h
		}
	}
}
