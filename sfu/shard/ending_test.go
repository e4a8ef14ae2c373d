package shard

import (
	"testing"
	"time"

	"bifrons/ice/netio"
	"bifrons/rtp/codec"
	"bifrons/rtp/mono"
	"bifrons/sfu/media"
	"bifrons/sfu/peer"
	"bifrons/sfu/route"
	"bifrons/sfu/simnet"
)

// TestTrackEndsAfterItsPackets: the beginning of a frame that waits for its end is
// forwarded before the track ends.
func TestTrackEndsAfterItsPackets(t *testing.T) {
	packets := sealedVideo(t, 6, 100, "0") // two frames of three packets
	for name, end := range map[string]func(now mono.Time, server *side){
		"the peer is closed": func(now mono.Time, server *side) { server.core.Close(now, "done") },
		"the remote stops sending": func(now mono.Time, server *side) {
			s := videoSection(200, 100, true)
			s.Receive = false
			server.core.SetSections(now, []media.Section{s})
		},
	} {
		t.Run(name, func(t *testing.T) {
			n, publisher, server, away := fanOut(t, 10)
			pass := func(list ...[]byte) {
				n.Now = n.Now.Add(10 * time.Millisecond)
				server.shard.Inject(n.Now, datagrams(publisher, server, list...))
			}
			pass(packets[:3]...)
			pass(packets[3:5]...)
			if got := away[0].core.Counters().PacketsOut; got != 3 {
				t.Fatalf("%d packets before the end, want those of a whole frame", got)
			}
			server.shard.Do(server.core, func() { end(n.Now, server) })
			for i, v := range away {
				if got := v.core.Counters().PacketsOut; got != 5 {
					t.Errorf("viewer %d got %d of 5 packets", i, got)
				}
			}
		})
	}
}

// atSend is a sink that does something with the first packet.
type atSend struct{ do func() }

func (a *atSend) Send(mono.Time, *route.Packet, route.Outgoing) {
	if do := a.do; do != nil {
		a.do = nil
		do()
	}
}
func (a *atSend) Fill(mono.Time, *route.Packet, route.Outgoing) {}
func (a *atSend) LayerChanged(media.Layer, media.Layer)         {}

// TestReplicaEndsAfterItsPackets: packets cross to another shard in the middle of its
// pass, and then the news that their track has ended.
func TestReplicaEndsAfterItsPackets(t *testing.T) {
	c := newConference(t, simnet.Conditions{})
	c.subscribe(0)
	c.run(time.Second)
	to := c.away[0]
	before := to.core.Counters().PacketsOut
	packet := func(s *side, seq uint64) route.Packet {
		return route.Packet{
			Buf: s.shard.pool.Get(), Seq: seq, Arrival: c.net.Now, SSRC: 7, Len: 900,
			Codec: media.VP8, PayloadType: 96, Marker: true, Read: true, Info: codec.Info{Keyframe: true},
		}
	}
	local := &route.Track{Kind: media.Video, ClockRate: 90000}
	defer local.Close()
	sub := route.NewSubscription(&atSend{do: func() {
		track := c.home.core.Track(0)
		track.Push(packet(c.home, 5000))
		track.Flush(c.net.Now)
		c.home.shard.Do(c.home.core, func() { c.home.core.Close(c.net.Now, peer.ReasonICEFailed) })
	}})
	sub.Attach(c.net.Now, local)
	local.Push(packet(to, 1))
	to.shard.dirty = append(to.shard.dirty, local)
	to.shard.Inject(c.net.Now, []netio.Message{})
	if got := to.core.Counters().PacketsOut - before; got != 1 {
		t.Errorf("%d of 1 packets were sent that came before the end", got)
	}
	if to.core.Subscription(0).Track() != nil {
		t.Error("the track has not ended")
	}
}
