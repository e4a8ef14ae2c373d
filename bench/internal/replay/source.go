package replay

import (
	"math/rand/v2"
	"sort"
	"time"

	"bifrons/ice/netio"
	"bifrons/rtp"
	"bifrons/rtp/mono"
	"bifrons/rtp/rtcp"
	"bifrons/sfu/shard"
	"bifrons/sfu/simnet"
)

// source plays the sender's packets. Those that arrive within one millisecond come in
// one batch, as sockets give it.
type source struct {
	*client
	home    *shard.Shard
	in      *Input
	network Network
	random  *rand.Rand
	begin   mono.Time
	queue   []arrival // in order of time
	lost    int
	resent  int
	asked   int
}

type arrival struct {
	at  mono.Time
	msg *event
}

const tickLength = mono.Time(time.Millisecond)

func newSource(n *simnet.Network, c *client, home *shard.Shard, in *Input, network *Network) *source {
	s := &source{client: c, home: home, in: in, random: rand.New(rand.NewPCG(1, 2))}
	if network != nil {
		s.network = *network
		s.random = rand.New(rand.NewPCG(network.Seed, 2))
	}
	c.onRTP = func(mono.Time, []byte) {}
	c.onRTCP = s.control
	c.due = func() mono.Time {
		if len(s.queue) == 0 {
			return mono.Never
		}
		return s.queue[0].at
	}
	c.tick = s.play
	return s
}

// start schedules everything.
func (s *source) start(now mono.Time) {
	s.begin = now
	for i := range s.in.events {
		ev := &s.in.events[i]
		at := now.Add(ev.at + s.delay())
		if !ev.rtcp && s.random.Float64() < s.network.Reorder {
			at = at.Add(time.Duration(5+s.random.IntN(30)) * time.Millisecond)
		}
		if !ev.rtcp && s.random.Float64() < s.network.Loss {
			s.lost++
			continue
		}
		s.schedule(at, ev)
	}
}

func (s *source) delay() time.Duration { return time.Duration(s.network.DelayMS) * time.Millisecond }

// schedule puts a datagram behind those that arrive until then.
func (s *source) schedule(at mono.Time, ev *event) {
	at = (at + tickLength - 1) / tickLength * tickLength
	i := sort.Search(len(s.queue), func(i int) bool { return s.queue[i].at > at })
	s.queue = append(s.queue, arrival{})
	copy(s.queue[i+1:], s.queue[i:])
	s.queue[i] = arrival{at, ev}
}

// play gives the engine the packets that are due.
func (s *source) play(now mono.Time) {
	var batch []netio.Message
	for len(s.queue) > 0 && s.queue[0].at <= now {
		ev := s.queue[0].msg
		s.queue = s.queue[1:]
		seal := s.sealRTP
		if ev.rtcp {
			seal = s.sealRTCP
		}
		b, err := seal(ev.data)
		if err != nil {
			s.err = err
			continue
		}
		if ev.of == nil && ev.pkt != nil && ev.pkt.stream != nil {
			ev.pkt.stream.begun = true
		}
		if ev.pkt != nil && !ev.pkt.arrived && (ev.of == nil || ev.of.begun) {
			ev.pkt.arrived, ev.pkt.arrivedAt = true, now.Sub(s.begin)
		}
		batch = append(batch, netio.Message{Buf: b, N: len(b), Remote: s.port.Addr, Local: s.server.Addr()})
	}
	if len(batch) > 0 {
		s.home.Inject(now, batch)
	}
}

// control answers requests for packets that were lost on the simulated network.
func (s *source) control(now mono.Time, b []byte) {
	for it := rtcp.Parse(b); it.Next(); {
		f, ok := it.Packet.Feedback()
		if !ok || !f.IsNACK() {
			continue
		}
		for lost := f.Lost(); lost.Next(); {
			s.asked++
			ev := s.find(now, f.Media, lost.Seq)
			if ev == nil || s.network.Loss == 0 || s.random.Float64() < s.network.Loss {
				continue
			}
			s.resent++
			s.schedule(now.Add(2*s.delay()), ev)
		}
	}
}

// find returns the latest packet with a sequence number that was sent.
func (s *source) find(now mono.Time, ssrc uint32, seq uint16) (found *event) {
	var h rtp.Header
	for i := range s.in.events {
		ev := &s.in.events[i]
		if s.begin.Add(ev.at) > now {
			break
		}
		if !ev.rtcp && h.Parse(ev.data) == nil && h.SSRC == ssrc && h.SequenceNumber == seq {
			found = ev
		}
	}
	return found
}
