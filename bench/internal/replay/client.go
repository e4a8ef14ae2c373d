package replay

import (
	"math/rand/v2"
	"net/netip"

	"bifrons/dtls/srtp"
	"bifrons/ice"
	"bifrons/ice/netio"
	"bifrons/rtp"
	"bifrons/rtp/mono"
	"bifrons/sfu/simnet"
)

// client is the far end of one peer connection: ICE and SRTP, without a media
// engine.
type client struct {
	port   *simnet.Port
	agent  *ice.Agent
	creds  ice.Credentials
	server netip.AddrPort

	sealer *srtp.Sender
	opener *srtp.Receiver
	opened map[uint32]*srtp.StreamState
	sealed map[uint32]*order

	onRTP  func(now mono.Time, b []byte)
	onRTCP func(now mono.Time, b []byte) // not encrypted
	due    func() mono.Time
	tick   func(now mono.Time)
	err    error
}

// filler fills slices from a seeded sequence.
func filler(seed1, seed2 uint64) func([]byte) {
	random := rand.New(rand.NewPCG(seed1, seed2))
	return func(b []byte) {
		for i := range b {
			b[i] = byte(random.Uint32())
		}
	}
}

func newClient(n *simnet.Network, addr, server netip.AddrPort, link simnet.Conditions, random func([]byte)) *client {
	c := &client{
		port: n.Open(addr, link), server: server,
		opened: map[uint32]*srtp.StreamState{}, sealed: map[uint32]*order{},
		due:  func() mono.Time { return mono.Never },
		tick: func(mono.Time) {},
	}
	c.creds = ice.NewCredentials(random)
	c.agent = ice.NewAgent(ice.Config{
		Controlling: true, Local: c.creds, Rand: random,
		Send: func(p ice.Path, b []byte) { c.send(b) },
	})
	c.agent.AddLocal(candidate(addr))
	c.port.Attach(c)
	return c
}

func candidate(addr netip.AddrPort) ice.Candidate {
	return ice.Candidate{Foundation: "1", Component: 1, Transport: "udp", Priority: 1 << 30, Addr: addr}
}

// connect starts ICE.
func (c *client) connect(now mono.Time, remote ice.Credentials) {
	c.agent.SetRemote(now, remote, false)
	c.agent.AddRemote(now, candidate(c.server))
}

// setKeys takes the keys of both directions.
func (c *client) setKeys(k srtp.Keys) (err error) {
	if c.sealer, err = srtp.NewSender(k.Profile, k.LocalKey, k.LocalSalt); err != nil {
		return err
	}
	c.opener, err = srtp.NewReceiver(k.Profile, k.RemoteKey, k.RemoteSalt)
	return err
}

func (c *client) send(b []byte) {
	_, _ = c.port.SendBatch([]netio.Message{{Buf: b, Remote: c.server}})
}

// Next implements simnet.Node.
func (c *client) Next() mono.Time { return min(c.agent.Deadline(), c.due()) }

// Inject implements simnet.Node.
func (c *client) Inject(now mono.Time, in []netio.Message) {
	for i := range in {
		b := in[i].Buf[:in[i].N]
		switch rtp.Classify(b) {
		case rtp.ClassSTUN:
			c.agent.Handle(now, ice.Path{Local: in[i].Local, Remote: in[i].Remote}, b)
		case rtp.ClassRTP:
			c.onRTP(now, b)
		case rtp.ClassRTCP:
			if n, err := c.opener.OpenRTCP(b); err == nil {
				c.onRTCP(now, b[:n])
			} else {
				c.err = err
			}
		}
	}
	if c.agent.Deadline() <= now {
		c.agent.Advance(now)
	}
	for ok := true; ok; {
		_, ok = c.agent.PollEvent()
	}
	c.tick(now)
}

// openRTP decrypts b in place.
func (c *client) openRTP(h *rtp.Header, b []byte) ([]byte, error) {
	st := c.opened[h.SSRC]
	if st == nil {
		st = new(srtp.StreamState)
		c.opened[h.SSRC] = st
	}
	n, err := c.opener.OpenRTP(st, b, h.HeaderLen)
	if err != nil {
		return nil, err
	}
	return b[:n], nil
}

// sealRTP encrypts an RTP packet.
func (c *client) sealRTP(plain []byte) ([]byte, error) {
	var h rtp.Header
	if err := h.Parse(plain); err != nil {
		return nil, err
	}
	o := c.sealed[h.SSRC]
	if o == nil {
		o = new(order)
		c.sealed[h.SSRC] = o
	}
	index := o.extend(h.SequenceNumber)
	out := make([]byte, len(plain)+64)
	copy(out, plain[:h.HeaderLen])
	n, err := c.sealer.SealRTP(out, h.HeaderLen, plain[h.HeaderLen:], uint32(max(index, 0)>>16))
	return out[:n], err
}

// sealRTCP encrypts a compound.
func (c *client) sealRTCP(plain []byte) ([]byte, error) {
	out := make([]byte, len(plain)+64)
	n, err := c.sealer.SealRTCP(out, plain)
	return out[:n], err
}
