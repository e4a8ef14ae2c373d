package shard

import (
	"testing"
	"time"

	"bifrons/dtls/srtp"
	"bifrons/ice"
	"bifrons/sfu/media"
	"bifrons/sfu/peer"
	"bifrons/sfu/simnet"
)

// TestSnapshot compares what a peer tells of itself with what went over the
// network, on a link that loses packets.
func TestSnapshot(t *testing.T) {
	n := simnet.New(7)
	link := simnet.Conditions{Loss: 0.05, Delay: 20 * time.Millisecond, Jitter: 5 * time.Millisecond}
	client, server, src := echo(t, n, link, options(), true)
	server.core.Gathered(n.Now)
	run(n, src, 10*time.Second)

	s := server.core.Snapshot(n.Now)
	if !s.Up || s.Closed || s.UpAt == 0 || s.At != n.Now {
		t.Errorf("up %v at %v, closed %v, now %v", s.Up, s.UpAt, s.Closed, s.At)
	}
	i := s.ICE
	if i.State != ice.Completed || i.Controlling || i.Connected == 0 || i.Failed != 0 || i.Gathered == 0 {
		t.Errorf("ICE %+v", i)
	}
	if !i.Selected || i.SelectedLocal.Addr != server.port.Addr || i.SelectedRemote.Addr != client.port.Addr ||
		len(i.Local) != 1 || len(i.Remote) != 1 {
		t.Errorf("candidates %v and %v, selected %v and %v", i.Local, i.Remote, i.SelectedLocal, i.SelectedRemote)
	}
	if s.DTLS.State != peer.DTLSConnected || s.DTLS.Profile != srtp.AEADAES128GCM || s.DTLS.Connected == 0 {
		t.Errorf("DTLS %+v", s.DTLS)
	}
	if !s.TransportCC || s.TransportSequence != 3 {
		t.Errorf("transport-wide feedback %v by extension %d", s.TransportCC, s.TransportSequence)
	}
	if len(s.Sections) != 1 {
		t.Fatalf("%d sections", len(s.Sections))
	}
	sec := s.Sections[0]
	if sec.MID != "0" || sec.Codec.PayloadType != 96 || sec.Codec.Name != media.VP8 {
		t.Errorf("section %+v", sec)
	}
	r := sec.Received[0]
	if r.SSRC != 100 || r.RTXSSRC != 101 || !r.Receiving || r.ClockRate != 90000 {
		t.Errorf("received %+v", r)
	}
	if lost := int(r.Lost); lost < int(src.seq)/40 || lost > int(src.seq)/10 {
		t.Errorf("%d of %d packets lost at 5 %%", lost, src.seq)
	}
	if r.Packets+10 < src.seq || r.Bytes < 1000*r.Packets || r.BytesLastSecond < 70_000 || r.BytesLastSecond > 130_000 {
		t.Errorf("%d packets of %d with %d bytes, %d in the last second", r.Packets, src.seq, r.Bytes, r.BytesLastSecond)
	}
	if r.NACKs < uint64(r.Lost) || r.Retransmissions == 0 || r.Jitter == 0 || r.Link >= 100 || r.Link < 80 || r.Media < r.Link {
		t.Errorf("repair and quality: %+v", r)
	}
	o := sec.Sent
	if o.SSRC != 200 || o.RTXSSRC != 201 || o.Packets+10 < src.seq || o.BytesLastSecond == 0 {
		t.Errorf("sent %+v", o)
	}
	if o.RTT < 40*time.Millisecond || o.RTT > 60*time.Millisecond || o.RTTOf.LSR == 0 || o.RTTOf.Arrival == 0 {
		t.Errorf("round trip %v of %+v", o.RTT, o.RTTOf)
	}
	if o.Lost == 0 || o.Jitter == 0 || o.Link >= 100 || o.NACKs == 0 || o.Retransmissions == 0 {
		t.Errorf("the remote's view %+v", o)
	}
	for _, unused := range sec.Received[1:] {
		if unused != (peer.Received{}) {
			t.Errorf("an encoding that never came: %+v", unused)
		}
	}

	v := server.core.Vitals(n.Now)
	if v.Stage != peer.StageUp || v.Closed || v.BytesIn != r.BytesLastSecond || v.BytesOut != o.BytesLastSecond ||
		v.RTT != o.RTT || v.Jitter != r.Jitter || v.Came != 1 || v.Receiving != 1 || v.Videos != 1 || v.Paused+v.Limited != 0 {
		t.Errorf("vitals %+v of received %+v, sent %+v", v, r, o)
	}
	if in, out := 100*(1-v.LossIn), 100*(1-v.LossOut); int(in+.5) != r.Link || int(out+.5) != o.Link {
		t.Errorf("losses %v and %v, quality %d and %d", v.LossIn, v.LossOut, r.Link, o.Link)
	}

	server.core.Close(n.Now, "test")
	if v := server.core.Vitals(n.Now); !v.Closed {
		t.Errorf("vitals after the end: %+v", v)
	}
	if s := server.core.Snapshot(n.Now); s.Up || !s.Closed || s.Sections[0].Received[0].Packets < r.Packets {
		t.Errorf("after the end: %+v", s)
	}
}

func TestSnapshotOfFailedICE(t *testing.T) {
	n := simnet.New(8)
	client, server, src := echo(t, n, simnet.Conditions{}, options(), true)
	run(n, src, time.Second)
	client.port.Down = true
	n.RunFor(33 * time.Second)
	s := server.core.Snapshot(n.Now)
	if s.ICE.State != ice.Failed || s.ICE.Failed == 0 || s.ICE.Selected {
		t.Errorf("ICE %+v", s.ICE)
	}
	if v := server.core.Vitals(n.Now); v.Stage != peer.StageLost || v.Came != 1 || v.Receiving != 0 || v.BytesIn+v.BytesOut != 0 {
		t.Errorf("vitals %+v", v)
	}
}
