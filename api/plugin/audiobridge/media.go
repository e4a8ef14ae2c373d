package audiobridge

import (
	"bifrons/api/json"
	"bifrons/api/kit/recording"
	"bifrons/sfu"
)

// media is where a client's audio comes from and where the mix goes to. The zero value is
// nowhere.
type media struct {
	on    bool // audio was agreed on
	track int  // the section
	codec sfu.AudioCodec
	in    sfu.InputFormat // how it comes
	fec   bool

	medium recording.Medium // but for where it comes from and goes to
	call   *plain           // plain RTP in place of a connection, nil = none

	// The methods below are how a participant uses it.
	stream sfu.Origin     // the mix for plain RTP
	sender *sfu.Forwarder // of that
}

// same reports whether two media come and go the same way.
func (m *media) same(o *media) bool {
	return m.on == o.on && m.track == o.track && m.in == o.in && m.call == o.call
}

// cut ends everything that was made.
func (m *media) cut() {
	if m.sender != nil {
		m.sender.Close()
	}
	m.sender, m.stream = nil, nil
}

// agreed is the outcome of the negotiation.
func (h *handle) agreed() media {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.media
}

// begin notes that the client's media is there.
func (h *handle) begin() {
	h.mu.Lock()
	h.up = true
	h.mu.Unlock()
	h.connect()
}

// connect connects the media of the client, if it is there, to its room, of which the others
// hear.
func (h *handle) connect() {
	p, _, up := h.state()
	if p == nil || !up {
		return
	}
	r := p.room
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.has(p) {
		return
	}
	p.connect(h.agreed())
	if !p.up {
		p.up = true
		p.changed(p)
	}
	p.startRecording()
}

// connect makes media those of the participant. room.mu is held.
func (p *participant) connect(m media) {
	before := p.media
	m.stream, m.sender = before.stream, before.sender
	p.media = m
	p.follow()
	peer := p.h.Host.Peer()
	switch {
	case m.same(&before):
	case m.call != nil:
		p.party.Input(m.call.source, 0, m.in)
		p.send()
	case m.on && peer != nil:
		p.party.Input(peer, m.track, m.in)
		p.party.Output(peer, m.track)
	default:
		p.party.Input(nil, 0, m.in)
		p.party.Output(nil, 0)
	}
}

// origin is where the participant's audio comes from, nil = nowhere. room.mu is held.
func (p *participant) origin() sfu.Origin {
	if p.media.call != nil {
		return p.media.call.source
	}
	if peer := p.h.Host.Peer(); peer != nil && p.media.on {
		return peer
	}
	return nil
}

// closeMedia releases the agreed media, as the connection is gone.
func (h *handle) closeMedia() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.media.call.close()
	h.media, h.nego, h.up = media{}, negotiation{}, false
}

// closePlain is closeMedia for plain RTP alone, which ends with the room.
func (h *handle) closePlain() {
	if h.hasPlain() {
		h.closeMedia()
	}
}

// query writes the fields specific to plain RTP.
func (m *media) query(w *json.Writer) {
	c := m.call
	if c == nil {
		return
	}
	w.Object("plain-rtp")
	w.Str("local-ip", c.addr)
	w.Int("local-port", int64(c.port))
	if c.remote.Host != nil {
		w.Str("remote-ip", c.remote.Host.Addr.String())
		w.Int("remote-port", int64(c.remote.Port))
	}
	w.Uint("local-ssrc", uint64(c.ssrc))
	w.End()
}
