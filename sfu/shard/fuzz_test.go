package shard

import (
	"encoding/binary"
	"testing"
	"time"

	"bifrons/ice/netio"
	"bifrons/rtp"
	"bifrons/rtp/mono"
	"bifrons/rtp/rtcp"
	"bifrons/sfu/media"
	"bifrons/sfu/simnet"
)

// FuzzDatagrams feeds a peer without encryption with whatever its remote could
// send once it is authentic: RTP, RTX, RTCP, in any order and timing. The input
// is a list of datagrams, each behind a byte of milliseconds and two of length.
func FuzzDatagrams(f *testing.F) {
	datagram := func(b []byte) []byte {
		return append(binary.BigEndian.AppendUint16([]byte{20}, uint16(len(b))), b...)
	}
	packet := func(pt uint8, seq uint16, ssrc uint32, mid, rid string, payload ...byte) []byte {
		b := make([]byte, 12, 200)
		rtp.FixedHeader{Marker: true, PayloadType: pt, SequenceNumber: seq, Timestamp: uint32(seq) * 3000, SSRC: ssrc}.Put(b)
		var w rtp.ExtensionWriter
		w.Reset(b)
		w.AddString(4, mid)
		w.AddString(10, rid)
		w.AddUint16(3, seq)
		b = w.Finish()
		rtp.SetExtensionBit(b)
		return append(b, payload...)
	}
	vp8 := []byte{0x90, 0x80, 1, 0x10, 0, 0, 0x9d, 0x01, 0x2a, 64, 0, 64, 0, 1, 2, 3, 4, 5, 6}
	var seed []byte
	for i, rid := range []string{"h", "m", "l", "h"} {
		seed = append(seed, datagram(packet(96, uint16(100+i*3), uint32(50+i), "0", rid, vp8...))...)
	}
	seed = append(seed, datagram(packet(97, 7, 60, "0", "", append([]byte{0, 101}, vp8...)...))...)
	seed = append(seed, datagram(rtcp.AppendNACK(nil, rtcp.Ends{Sender: 1, Media: 200}, []uint16{1, 2, 5}))...)
	seed = append(seed, datagram(rtcp.AppendREMB(rtcp.AppendRR(nil, 1, nil), 1, 1_000_000, 200))...)
	seed = append(seed, datagram(rtcp.AppendPLI(nil, rtcp.Ends{Sender: 1, Media: 200}))...)
	f.Add(seed, true)
	f.Add(seed, false)
	f.Fuzz(func(t *testing.T, in []byte, simulcast bool) {
		n := simnet.New(1)
		opt := options()
		opt.NoDTLS = true
		server := newSide(t, n, "192.0.2.1:5000", false, simnet.Conditions{}, opt)
		client := newSide(t, n, "192.0.2.2:6000", true, simnet.Conditions{}, opt)
		link(n, client, server)
		if !server.core.Up() {
			t.Fatal("the connection did not come up")
		}
		s := videoSection(200, 100, true)
		s.Ext.RID, s.Ext.RepairedRID, s.Ext.DependencyDescriptor = 10, 11, 12
		if simulcast {
			s.Simulcast = true
			s.Encodings = []media.Encoding{{RID: "l"}, {RID: "m"}, {RID: "h"}}
		}
		server.core.SetSections(n.Now, []media.Section{s})
		server.core.Subscription(0).Attach(n.Now, server.core.Track(0))
		now := n.Now
		for len(in) > 3 {
			now += mono.Time(time.Duration(in[0]) * time.Millisecond)
			size := min(int(binary.BigEndian.Uint16(in[1:])), len(in)-3, 1500)
			server.shard.Inject(now, []netio.Message{{
				Buf: in[3 : 3+size], N: size, Remote: client.port.Addr, Local: server.port.Addr.Addr(),
			}})
			in = in[3+size:]
		}
		if d := server.shard.Stats().Drops[media.DropPanic]; d > 0 {
			t.Fatal("a datagram made the peer panic")
		}
		n.Now = now
		n.RunFor(3 * time.Second)
	})
}
