package peer

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"net/netip"
	"time"

	"bifrons/rtp/codec"

	"github.com/pion/rtp"
	"github.com/pion/srtp/v3"
)

// Light is a peer that costs little beside the server that shares the machine.
// After the handshake it is a few numbers: packets are counted by their headers,
// and few are decrypted.
type Light struct {
	o       Options
	hub     *Hub
	addr    netip.Addr
	server  netip.AddrPort
	ice     checks
	pipe    *pipe
	profile string
	n       *Negotiation

	out    *srtp.Context
	sender *sender // nil = receives only

	// Held under the hub's lock.
	in        *srtp.Context // nil before the handshake is done
	streams   []stream
	header    rtp.Header
	plain     []byte
	got       int64
	arrived   chan struct{} // closed at the first media
	transport *transport    // nil before the first numbered packet
	received  bool
}

// stream is one that comes in.
type stream struct {
	ssrc    uint32
	kind    byte // payload type
	highest uint32
	layer   uint32 // of the last packet that was looked into
	// missing are packets that were lost on purpose and asked for again.
	missing []uint16
	last    time.Duration // when the latest one came
}

// lateAfter is how long after the packet before one is late, of which there are 50 a second.
const lateAfter = 40 * time.Millisecond

// interval counts packets of audio that are late.
func (st *stream) interval(t *Totals, open bool, now time.Duration) {
	if open && st.kind != videoType && st.last != 0 && now-st.last > lateAfter {
		t.Late++
	}
	st.last = now
}

// hear notes received audio.
func (p *Light) hear(now time.Duration, seq uint16, b []byte) {
	n, err := p.header.Unmarshal(b)
	if err != nil {
		return
	}
	plain, err := p.in.DecryptRTP(p.plain[:0], b, &p.header)
	if err != nil || len(plain) <= n {
		return
	}
	payload := unpad(p.header.Padding, plain[n:])
	if p.header.PayloadType == redType {
		block, err := codec.REDPrimary(payload)
		if err != nil {
			p.hub.totals.Strange++
			return
		}
		payload = block.Data
	}
	p.o.Hears.Add(seq, now, payload)
}

// NewLight connects a light peer.
func NewLight(ctx context.Context, h *Hub, n *Negotiation, o Options) (_ *Light, err error) {
	p := &Light{o: o, hub: h, n: n, plain: make([]byte, 0, 2048), arrived: make(chan struct{})}
	p.pipe = newPipe(p)
	p.ice.ufrag, p.ice.pwd = secret(4), secret(16)
	p.ice.connected = make(chan struct{})
	if n.Offer != nil || n.SendBack {
		p.sender = newSender(p)
	}
	if err = h.add(p); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			p.Close()
		}
	}()
	cert, err := certificate()
	if err != nil {
		return nil, err
	}
	l := local{
		ufrag: p.ice.ufrag, pwd: p.ice.pwd, fingerprint: fingerprint(cert), setup: "actpass",
		candidates: []string{h.candidate(p.addr)}, audioSSRC: o.ID<<8 | 1, videoSSRC: o.ID<<8 | 2,
		media: o.Media, speaks: len(o.Says) > 0, red: o.RED,
	}
	if o.Client {
		l.setup = "active"
	}
	if err := p.negotiate(ctx, n, l); err != nil {
		return nil, err
	}
	if err := p.connect(ctx); err != nil {
		return nil, err
	}
	if err := p.handshake(ctx, cert); err != nil {
		return nil, err
	}
	return p, nil
}

func secret(bytes int) string {
	b := make([]byte, bytes)
	_, _ = rand.Read(b)
	return hex.EncodeToString(b)
}

func (p *Light) negotiate(ctx context.Context, n *Negotiation, l local) error {
	var err error
	if n.Offer != nil {
		p.ice.controlling = true
		answer, err := n.Offer(ctx, l.offer(!n.SendOnly))
		if err != nil {
			return err
		}
		p.ice.there, err = parseRemote(answer)
		return err
	}
	offer, err := n.Join(ctx)
	if err != nil {
		return err
	}
	if p.ice.there, err = parseRemote(offer); err != nil {
		return err
	}
	return n.Answer(ctx, l.answer(offer, n.SendBack))
}

// Arrived is closed when the first media has come.
func (p *Light) Arrived() <-chan struct{} { return p.arrived }

// Got is how many packets came in the window.
func (p *Light) Got() int64 {
	p.hub.mu.Lock()
	defer p.hub.mu.Unlock()
	return p.got
}

// Profile implements Peer.
func (p *Light) Profile() string { return p.profile }

// Negotiation is how it was negotiated.
func (p *Light) Negotiation() *Negotiation { return p.n }

// Close implements Peer. The server finds out by itself, or from the signalling.
func (p *Light) Close() {
	_ = p.pipe.Close()
	p.hub.remove(p)
}

// take takes a datagram (RFC 7983). The hub's lock is held, b is lent.
func (p *Light) take(now time.Duration, open bool, from netip.AddrPort, b []byte) {
	switch {
	case b[0] < 4:
		p.stun(from, b)
	case b[0] >= 20 && b[0] < 64:
		p.pipe.deliver(b)
	case b[0]&0xc0 == 0x80 && len(b) >= 12:
		const firstRTCP, lastRTCP = 192, 223 // RFC 5761, 4
		if b[1] >= firstRTCP && b[1] <= lastRTCP {
			p.rtcp(b)
		} else {
			p.rtp(now, open, b)
		}
	}
}

func (p *Light) stream(ssrc uint32, kind byte, seq uint16) *stream {
	for i := range p.streams {
		if p.streams[i].ssrc == ssrc {
			return &p.streams[i]
		}
	}
	p.streams = append(p.streams, stream{ssrc: ssrc, kind: kind, highest: uint32(seq)})
	return &p.streams[len(p.streams)-1]
}

func (p *Light) rtp(now time.Duration, open bool, b []byte) {
	if p.in == nil {
		return
	}
	h := p.hub
	kind, seq, ssrc := b[1]&0x7f, binary.BigEndian.Uint16(b[2:]), binary.BigEndian.Uint32(b[8:])
	if primary, ok := p.ice.there.repairs[kind]; ok {
		p.note(now, kind, b)
		p.repaired(primary, open, b)
		return
	}
	st := p.stream(ssrc, kind, seq)
	if i := st.misses(seq); i >= 0 { // came again, under its own number
		st.found(i)
		if open {
			h.totals.Recovered++
			h.totals.Received++
			p.got++
		}
		return
	}
	gap := int16(seq - uint16(st.highest))
	if gap > 0 {
		st.highest += uint32(gap)
	}
	if h.loss > 0 && gap > 0 && kind == videoType && h.chance(h.loss) {
		if open {
			h.totals.Lost++
		}
		p.missed(st, seq)
		return
	}
	p.note(now, kind, b)
	if !p.received {
		p.received = true
		close(p.arrived)
	}
	if open {
		h.totals.Received++
		p.got++
	}
	st.interval(&h.totals, open, now)
	if p.o.Hears != nil {
		p.hear(now, seq, b)
	} else if len(p.o.Says) == 0 && h.chance(h.sample) {
		p.look(now, open, st, b)
	}
}

// look decrypts a packet and reads its tag.
func (p *Light) look(now time.Duration, open bool, st *stream, b []byte) {
	t := &p.hub.totals
	n, err := p.header.Unmarshal(b)
	if err != nil {
		t.Strange++
		return
	}
	plain, err := p.in.DecryptRTP(p.plain[:0], b, &p.header)
	if err != nil || len(plain) < n {
		t.Strange++
		return
	}
	payload := unpad(p.header.Padding, plain[n:])
	if len(payload) == 0 {
		return
	}
	id, sent, ok := readTag(payload)
	switch {
	case !ok:
		t.Strange++
	case open:
		t.Trips = append(t.Trips, now-sent)
		if st.kind == videoType && id != st.layer {
			if st.layer != 0 {
				t.Switches++
			}
			st.layer = id
		}
	}
}

// unpad takes padding off (RFC 3550, 5.1); nothing is left of a packet that is
// padding only.
func unpad(padded bool, payload []byte) []byte {
	if !padded || len(payload) == 0 {
		return payload
	}
	return payload[:max(0, len(payload)-int(payload[len(payload)-1]))]
}
