package audiobridge

import (
	"fmt"
	"time"

	"bifrons/api/kit"
	"bifrons/api/kit/recording"
	"bifrons/api/plugin"
	"bifrons/api/schema"
	"bifrons/sdp"
	"bifrons/sfu"
)

// negotiation is the state of the descriptions of a connection. The zero value is none.
type negotiation struct {
	offering    bool   // the plugin makes the offers
	id, version uint64 // of the plugin's descriptions
}

// codecNames are the names of the codecs.
var codecNames = map[sfu.AudioCodec]string{sfu.MixOpus: sdp.Opus, sfu.MixPCMU: sdp.PCMU, sfu.MixPCMA: sdp.PCMA}

// parseCodec is the codec with a name.
func parseCodec(name string) (sfu.AudioCodec, bool) {
	for c, n := range codecNames {
		if n == name {
			return c, true
		}
	}
	return 0, false
}

// checkJSEP looks at a description as far as its kind goes; it may be nil.
func checkJSEP(j *plugin.JSEP) *schema.Error {
	switch {
	case j == nil:
		return nil
	case j.SDP.Type != sdp.TypeOffer && j.SDP.Type != sdp.TypeAnswer:
		return errorf(errInvalidSDP, "Unknown SDP type '%s'", j.SDP.Type)
	case j.E2EE:
		return errorf(errInvalidElement, "End-to-end encryption is not supported, as the audio is mixed")
	}
	return nil
}

// mayNegotiate reports whether a description can be used now; it may be nil.
func (h *handle) mayNegotiate(j *plugin.JSEP) *schema.Error {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case j == nil:
	case j.SDP.Type == sdp.TypeOffer && h.nego.offering:
		return errorf(errInvalidSDP, "Received an offer on a connection for which the plugin makes the offers")
	case j.SDP.Type == sdp.TypeAnswer && !h.nego.offering:
		return errorf(errInvalidSDP, "Received an answer when there was no offer")
	}
	return nil
}

// negotiate answers the offer of a request, takes its answer, or makes the offer that it
// asks for.
func (h *handle) negotiate(p *participant, r *kit.Request) (resp kit.Response, err *schema.Error) {
	if err = h.mayNegotiate(r.JSEP); err != nil {
		return resp, err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case r.JSEP != nil && r.JSEP.SDP.Type == sdp.TypeOffer:
		resp.JSEP = h.answer(p, r.JSEP)
		resp.After = h.connect
	case r.JSEP != nil:
		h.take(p, r.JSEP.SDP)
		resp.After = h.connect
	}
	if h.nego.offering && r.Body.Is("update") || r.JSEP == nil && r.Body.Is("generate_offer") && h.media.call == nil && h.mayOffer() {
		resp.JSEP = h.offer(p)
	}
	return resp, nil
}

// mayOffer reports whether the plugin can make the first offer. mu is held.
func (h *handle) mayOffer() bool { return !h.nego.offering && h.Host.Peer() == nil }

// next makes the negotiation go on to another description. mu is held.
func (n *negotiation) next() {
	if n.version++; n.id == 0 {
		n.id = uint64(time.Now().UnixMicro())
	}
}

// answer answers an offer: its first audio section with the participant's codec. mu is held.
func (h *handle) answer(p *participant, j *plugin.JSEP) *plugin.JSEP {
	if h.nego.version == 0 || j.Update {
		h.nego.next()
	}
	r, m := p.room, media{codec: p.codec}
	first := -1
	d := sdp.Answer(j.SDP, sdp.AnswerOptions{Name: r.title(), Choose: func(i int, s *sdp.Section) (c sdp.SectionChoice) {
		if s.Kind != sdp.Audio || first >= 0 {
			c.Reject = true
			return c
		}
		first = i
		c.Codecs, c.Extensions = []string{codecNames[p.codec]}, r.extensions()
		if opus, ok := s.FindCodec(sdp.Opus, ""); ok && p.codec == sfu.MixOpus {
			fec, _ := opus.Parameter("useinbandfec")
			m.fec = fec == "1"
			c.Fmtp, c.OpusRED = r.fmtp(m.fec), true
		}
		return c
	}})
	d.Origin.SessionID, d.Origin.Version = h.nego.id, h.nego.version
	if first >= 0 {
		m.agree(first, &d.Sections[first])
	}
	h.media = m
	return &plugin.JSEP{SDP: d}
}

// offer makes an offer with one section. mu is held.
func (h *handle) offer(p *participant) *plugin.JSEP {
	h.nego.offering = true
	h.nego.next()
	r := p.room
	s := sdp.OfferSection{Kind: sdp.Audio, Direction: sdp.SendRecv, Codec: codecNames[p.codec]}
	if p.codec == sfu.MixOpus {
		s.PT, s.Fmtp = opusPT, r.fmtp(true)
	}
	for i, uri := range r.extensions() {
		s.Extensions = append(s.Extensions, sdp.Extension{ID: uint8(i + 1), URI: uri})
	}
	return &plugin.JSEP{SDP: sdp.Offer(sdp.OfferOptions{
		Name: r.title(), SessionID: h.nego.id, Version: h.nego.version, Sections: []sdp.OfferSection{s},
	})}
}

// take takes the answer to an offer. mu is held.
func (h *handle) take(p *participant, d *sdp.Description) {
	m := media{codec: p.codec}
	if len(d.Sections) > 0 {
		s := &d.Sections[0]
		if opus, ok := s.FindCodec(sdp.Opus, ""); ok && p.codec == sfu.MixOpus {
			fec, _ := opus.Parameter("useinbandfec")
			m.fec = fec == "1"
		}
		m.agree(0, s)
	}
	h.media = m
}

// agree applies the outcome of a section in which codecs are agreed on.
func (m *media) agree(i int, s *sdp.Section) {
	_, found := s.FindCodec(codecNames[m.codec], "")
	m.on = found && !s.Rejected()
	m.track = i
	m.medium, _ = recording.Agreed(s)
	m.in = sfu.InputFormat{Level: s.ExtensionID(sdp.URIAudioLevel), RED: m.medium.RED}
}

const opusPT = 100 // in offers, and of plain RTP

func (r *room) title() string { return "AudioBridge " + r.id }

// extensions are the header extensions of connections. The inputs never change.
func (r *room) extensions() []string {
	if !r.levelExt {
		return []string{sdp.URIMID}
	}
	return []string{sdp.URIMID, sdp.URIAudioLevel}
}

// fmtp is how Opus is to be sent (RFC 7587, 6.1). The inputs never change.
func (r *room) fmtp(fec bool) string {
	bit := func(on bool) int {
		if on {
			return 1
		}
		return 0
	}
	stereo := bit(r.spatial)
	return fmt.Sprintf("maxplaybackrate=%d; stereo=%d; sprop-stereo=%d; useinbandfec=%d", r.rate, stereo, stereo, bit(fec))
}
