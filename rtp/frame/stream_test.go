package frame_test

import (
	"bytes"
	"slices"
	"testing"

	"bifrons/rtp/frame"
	"bifrons/rtp/frame/frametest"
)

// TestStreams: what comes out of the packets is what the encoder made.
func TestStreams(t *testing.T) {
	for _, s := range frametest.Streams {
		t.Run(s.Name, func(t *testing.T) {
			pictures := s.Pictures(t)
			a := frame.New(s.Codec)
			frames := frametest.Assemble(a, s.Packets(pictures))
			if len(frames) != len(pictures) {
				t.Fatalf("%d frames of %d", len(frames), len(pictures))
			}
			for i, f := range frames {
				if want := s.Whole(pictures[i]); !bytes.Equal(f.Data, want) {
					t.Errorf("frame %d: %d octets instead of %d\n%x\n%x", i, len(f.Data), len(want), f.Data[:min(64, len(f.Data))], want[:min(64, len(want))])
				}
				if !f.Whole || f.Lost != 0 || f.Timestamp != 1<<32+uint64(i*6000) {
					t.Errorf("frame %d: %+v", i, f)
				}
				if key := i%10 == 0; f.Key != key || key && (f.Width != 320 || f.Height != 180) || f.NewConfig != (i == 0 && s.Codec != frame.VP8) {
					t.Errorf("frame %d: key %v, %dx%d, new configuration %v", i, f.Key, f.Width, f.Height, f.NewConfig)
				}
			}
			if c := a.Config(); s.Codec != frame.VP8 && (c == nil || c.Width != 320) {
				t.Errorf("configuration: %+v", c)
			}
		})
	}
}

// TestLoss loses each packet in turn: the frame that it was of is not whole, and no
// other one changes.
func TestLoss(t *testing.T) {
	for _, s := range frametest.Streams {
		t.Run(s.Name, func(t *testing.T) {
			pictures := s.Pictures(t)[9:12]
			list := s.Packets(pictures)
			for lost := 1; lost < len(list); lost++ {
				of := int(list[lost].Timestamp / 6000)
				missing := slices.Delete(slices.Clone(list), lost, lost+1)
				whole, count := 0, uint64(0)
				for _, f := range frametest.Assemble(frame.New(s.Codec), missing) {
					i := int((f.Timestamp - 1<<32) / 6000)
					count += f.Lost
					switch {
					case f.Whole && i == of:
						t.Errorf("packet %d lost: frame %d is whole", lost, i)
					case f.Whole:
						whole++
						if !bytes.Equal(f.Data, s.Whole(pictures[i])) {
							t.Errorf("packet %d lost: frame %d changed", lost, i)
						}
					}
				}
				// The end of a picture may have been the start of the next one where there
				// is nothing that tells.
				if least := len(pictures) - 2; whole < least || count > 1 || lost < len(list)-1 && count != 1 {
					t.Errorf("packet %d lost: %d whole frames of %d, %d lost", lost, whole, len(pictures), count)
				}
			}
		})
	}
}
