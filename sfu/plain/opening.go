package plain

import (
	"errors"

	"bifrons/dtls/srtp"
	"bifrons/rtp"
	"bifrons/rtp/pktbuf"
	"bifrons/sfu/media"
)

// maxContexts is how many SSRCs a lane remembers the SRTP state of: who comes back
// to an earlier one goes on with its rollover counter.
const maxContexts = 4

// contexts are the SRTP states of the SSRCs that a lane had last (RFC 3711, 3.2.3),
// the latest first. They do not depend on the lane's use of the packets.
type contexts struct{ list []context }

type context struct {
	ssrc    uint32
	state   srtp.StreamState
	renewed bool // the key is another one since the last packet
}

// find returns the state of an SSRC, nil if there is none.
func (x *contexts) find(ssrc uint32) *context {
	for i := range x.list {
		if x.list[i].ssrc == ssrc {
			return &x.list[i]
		}
	}
	return nil
}

// add remembers another SSRC; of too many it forgets the one that came first.
func (x *contexts) add(ssrc uint32, state *srtp.StreamState) {
	if x.list == nil {
		x.list = make([]context, 0, maxContexts)
	}
	if len(x.list) < maxContexts {
		x.list = x.list[:len(x.list)+1]
	}
	copy(x.list[1:], x.list)
	x.list[0] = context{ssrc: ssrc, state: *state}
}

// SetOpener changes the key of SRTP, nil = plain RTP.
func (s *Source) SetOpener(r *srtp.Receiver) {
	if s.opener == r {
		return
	}
	for _, t := range s.tracks {
		for e := range t.lanes {
			x := &t.lanes[e].srtp
			if r == nil || s.opener == nil {
				x.list = x.list[:0]
			}
			for i := range x.list {
				x.list[i].renewed = true
			}
		}
	}
	s.opener = r
}

// open decrypts b in place. An SSRC is remembered only when a packet of it proved
// authentic.
func (s *Source) open(ln *lane, h *rtp.Header, b *pktbuf.Buf) bool {
	c := ln.srtp.find(h.SSRC)
	var n int
	var err error
	switch {
	case c == nil:
		s.fresh = srtp.StreamState{}
		if n, err = s.opener.OpenRTP(&s.fresh, b.Bytes(), h.HeaderLen); err == nil {
			ln.srtp.add(h.SSRC, &s.fresh)
		}
	case c.renewed:
		n, err = s.reopen(c, h, b)
	default:
		n, err = s.opener.OpenRTP(&c.state, b.Bytes(), h.HeaderLen)
	}
	switch {
	case errors.Is(err, srtp.ErrReplay):
		s.loop.Drop(media.DropSRTPReplay)
	case err != nil:
		s.loop.Drop(media.DropSRTPAuth)
	default:
		b.N = n
	}
	return err == nil
}

// reopen decrypts the first packet after a change of the key. The rollover counter
// goes on over it (RFC 3711, 3.3.1), but many senders begin again with 0.
func (s *Source) reopen(c *context, h *rtp.Header, b *pktbuf.Buf) (n int, err error) {
	s.fresh = srtp.StreamState{}
	if c.state.Index() >= 1<<16 {
		try := s.loop.Buffer()
		if try == nil {
			return 0, srtp.ErrAuth
		}
		defer try.Release()
		try.N = copy(try.B, b.Bytes())
		if _, err = s.opener.OpenRTP(&s.fresh, try.Bytes(), h.HeaderLen); err != nil {
			n, err = s.opener.OpenRTP(&c.state, b.Bytes(), h.HeaderLen)
			c.renewed = err != nil
			return n, err
		}
		s.fresh = srtp.StreamState{}
	}
	if n, err = s.opener.OpenRTP(&s.fresh, b.Bytes(), h.HeaderLen); err == nil {
		c.state, c.renewed = s.fresh, false
	}
	return n, err
}
