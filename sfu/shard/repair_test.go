package shard

import (
	"encoding/binary"
	"net/netip"
	"slices"
	"testing"
	"time"

	"bifrons/dtls/srtp"
	"bifrons/ice/netio"
	"bifrons/rtp"
	"bifrons/rtp/mono"
	"bifrons/rtp/rtcp"
)

// TestRepairsOfShortLine: on a line that has shown its limit a viewer gets repairs as fast as is
// allowed, whether it asks again and again or once.
func TestRepairsOfShortLine(t *testing.T) {
	for _, times := range []int{300, 1} {
		repairs(t, times)
	}
}

func repairs(t *testing.T, times int) {
	v := newViewing(t, 11, true, 520e3)
	v.camera.track.Ask = nil
	v.line(5e6)
	v.run(5 * time.Second)
	v.line(400e3)
	v.run(2 * time.Second)
	v.line(5e6)
	v.run(10 * time.Second)

	const asked = 20
	key, salt := make([]byte, 16), make([]byte, 12)
	sealer, err := srtp.NewSender(srtp.AEADAES128GCM, key, salt)
	if err != nil {
		t.Fatal(err)
	}
	opener, err := srtp.NewReceiver(srtp.AEADAES128GCM, append(make([]byte, 15), 1), salt)
	if err != nil {
		t.Fatal(err)
	}
	var numbers, lost []uint16 // of the camera
	var st srtp.StreamState
	var last mono.Time
	repaired, bytes := map[uint16]bool{}, 0
	v.net.Sniff = func(from, _ netip.AddrPort, b []byte) {
		var h rtp.Header
		if from != v.server.port.Addr || !isRTP(b) || h.Parse(b) != nil {
			return
		}
		switch b := slices.Clone(b); h.SSRC {
		case 200:
			numbers = append(numbers, h.SequenceNumber)
		case 201:
			n, err := opener.OpenRTP(&st, b, h.HeaderLen)
			if err != nil {
				t.Error(err)
			} else if seq := binary.BigEndian.Uint16(b[h.HeaderLen:n]); slices.Contains(lost, seq) && !repaired[seq] {
				repaired[seq], last = true, v.net.Now
				bytes += len(b)
			}
		}
	}
	v.run(time.Second)
	room := make([]byte, 1500)
	for range 1000 { // get ahead of the client's own
		if _, err := sealer.SealRTCP(room, rtcp.AppendRR(nil, 100, nil)); err != nil {
			t.Fatal(err)
		}
	}
	lost = slices.Clone(numbers[len(numbers)-asked:])
	begun, target := v.net.Now, v.server.core.Snapshot(v.net.Now).Line.Target
	for i := range 300 {
		v.run(v.camera.every)
		missing := slices.DeleteFunc(slices.Clone(lost), func(seq uint16) bool { return repaired[seq] })
		if len(missing) == 0 {
			break
		}
		if i >= times {
			continue
		}
		n, err := sealer.SealRTCP(room, rtcp.AppendNACK(nil, rtcp.Ends{Sender: 100, Media: 200}, missing))
		if err != nil {
			t.Fatal(err)
		}
		v.server.shard.Inject(v.net.Now, []netio.Message{{Buf: slices.Clone(room[:n]), N: n, Remote: v.client.port.Addr, Local: v.server.port.Addr.Addr()}})
	}
	took, allowed := last.Sub(begun), float64(target)/4 // and half a second of that at once
	t.Logf("%d of %d packets in %v, target %d, which allows %v", len(repaired), asked, took, target, float64(bytes)*8/allowed)
	if len(repaired) < asked || took.Seconds() > 0.85*float64(bytes)*8/allowed {
		t.Errorf("%d of %d packets, %d bytes, in %v at %.0f bit/s", len(repaired), asked, bytes, took, allowed)
	}
}
