package shard

import (
	"net/netip"
	"testing"
	"time"

	"bifrons/rtp"
	"bifrons/rtp/mono"
	"bifrons/rtp/rtcp"
	"bifrons/sfu/media"
	"bifrons/sfu/route"
	"bifrons/sfu/simnet"
)

// TestReportsDuringTones: the packets of a telephone event all have the time of its
// beginning, but the sender reports of a peer go on.
func TestReportsDuringTones(t *testing.T) {
	n := simnet.New(7)
	opt := options()
	opt.NoDTLS = true
	server := newSide(t, n, "192.0.2.1:5000", false, simnet.Conditions{}, opt)
	client := newSide(t, n, "192.0.2.2:6000", true, simnet.Conditions{}, opt)
	link(n, client, server)
	voice := media.Codec{Name: media.PCMU, ClockRate: 8000}
	tone := media.Codec{Name: media.TelephoneEvent, PayloadType: 101, ClockRate: 8000}
	server.core.SetSections(n.Now, []media.Section{{
		MID: "0", Kind: media.Audio, Send: true, SSRC: 300, Codecs: []media.Codec{voice, tone},
	}})
	track := &route.Track{Kind: media.Audio, ClockRate: 8000}
	t.Cleanup(track.Close)
	server.core.Subscription(0).Attach(n.Now, track)
	var reports []rtcp.SenderInfo
	n.Sniff = func(from, _ netip.AddrPort, b []byte) {
		if from != server.port.Addr || rtcp.Validate(b) != nil {
			return
		}
		for it := rtcp.Parse(b); it.Next(); {
			if r, ok := it.Packet.SenderReport(); ok {
				reports = append(reports, r.SenderInfo)
			}
		}
	}
	for i := range uint64(300) { // a second of voice, five of a tone
		c, ts := voice, uint32(i)*160
		if i >= 50 {
			c, ts = tone, 50*160
		}
		b := server.shard.Packet(make([]byte, rtp.FixedHeaderLen+4))
		track.Push(route.Packet{
			Buf: b, Seq: i, Arrival: n.Now, Timestamp: ts, SSRC: 5, Off: rtp.FixedHeaderLen, Len: 4, Codec: c.Name, PayloadType: c.PayloadType,
		})
		track.Flush(n.Now)
		track.Expire(n.Now)
		n.RunFor(20 * time.Millisecond)
	}
	if len(reports) < 5 {
		t.Fatalf("%d reports", len(reports))
	}
	for i, r := range reports[1:] {
		passed := rtcp.FromNTP(r.NTP).Sub(rtcp.FromNTP(reports[0].NTP))
		if d := int64(r.RTPTime-reports[0].RTPTime) - mono.Ticks(passed, 8000); d < -1 || d > 1 {
			t.Errorf("report %d is off by %d", i+1, d)
		}
	}
	if last := reports[len(reports)-1]; last.Packets < 200 {
		t.Errorf("%d packets counted", last.Packets)
	}
}
