package record

import (
	"bytes"
	"io"
	"testing"
	"time"

	"bifrons/rtp"
	"bifrons/rtp/mjr"
	"bifrons/rtp/mono"
)

// Encodings of simulcast, and a sender that changes its SSRC, are one stream in the file:
// janus-pp-rec takes the packets of the first SSRC alone.
func TestMJRHasOneSSRC(t *testing.T) {
	m := &MJR{Header: mjr.Header{Type: mjr.Video, Codec: "vp8"}}
	b := m.Begin(nil, time.UnixMicro(5))
	for i, ssrc := range []uint32{7, 7, 8, 9, 7} {
		raw := rtp.FixedHeader{SequenceNumber: uint16(i + 1), SSRC: ssrc}.Append(nil)
		b = m.Packet(b, &Packet{RTP: append(raw, "payload"...), Head: len(raw), SSRC: ssrc, Arrival: mono.Time(i+1) * mono.Time(time.Second)})
		var h rtp.Header
		if err := h.Parse(raw); err != nil || h.SSRC != ssrc {
			t.Errorf("the packet of %d was changed to %d", ssrc, h.SSRC)
		}
	}
	r, n := mjr.NewReader(bytes.NewReader(b)), 0
	for {
		f, err := r.Next()
		if err == io.EOF {
			break
		}
		var h rtp.Header
		if err != nil || h.Parse(f.Data) != nil || h.SSRC != 7 || string(f.Data[h.HeaderLen:]) != "payload" {
			t.Fatalf("frame %d: %+v, %v", n, h, err)
		}
		n++
	}
	if n != 5 {
		t.Errorf("%d frames", n)
	}
}
