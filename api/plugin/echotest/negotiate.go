package echotest

import (
	"slices"
	"strings"

	"bifrons/api/kit"
	"bifrons/api/kit/mline"
	"bifrons/api/kit/recording"
	"bifrons/api/plugin"
	"bifrons/sdp"
)

var extensions = []string{
	sdp.URIMID, sdp.URIRID, sdp.URIRepairedRID, sdp.URIAudioLevel, sdp.URIVideoOrientation, sdp.URIPlayoutDelay,
	sdp.URITransportCC, sdp.URIDependencyDescriptor, sdp.URIAbsSendTime, sdp.URIAbsCaptureTime, sdp.URIVideoLayers,
}

// audioCodecs are the codecs that can be asked for.
var audioCodecs = append([]string{sdp.RED}, sdp.DefaultAudioCodecs...)

var opusParams = []string{"useinbandfec=1", "usedtx=1", "stereo=1"}

// answer makes the answer to the offer of a request, and remembers the
// outcome.
func (h *handle) answer(r *kit.Request) *plugin.JSEP {
	audioCodec := r.Body.Str("audiocodec")
	videoCodec := r.Body.Str("videocodec")
	profile := r.Body.Str("videoprofile")
	red := r.Body.Is("opusred")
	first := [2]bool{sdp.Audio: true, sdp.Video: true}
	d := sdp.Answer(r.JSEP.SDP, sdp.AnswerOptions{Choose: func(_ int, s *sdp.Section) sdp.SectionChoice {
		c := sdp.SectionChoice{Extensions: extensions}
		switch s.Kind {
		case sdp.Audio:
			c.Codecs, c.OpusRED, c.AudioParams = preferred(s, audioCodec, audioCodecs), red, opusParams
		case sdp.Video:
			c.Codecs, c.Profile, c.ProfileRequired = preferred(s, videoCodec, sdp.DefaultVideoCodecs), profile, true
		default:
			return c
		}
		// There is nothing to send to a client that only receives.
		c.NoSend = first[s.Kind] && s.Direction == sdp.RecvOnly
		first[s.Kind] = false
		return c
	}})
	h.agree(d, r.JSEP)
	return &plugin.JSEP{SDP: d, E2EE: h.settings.e2ee}
}

// preferred is the codecs to look for in an offered section, nil = the defaults.
// Only a codec that is known can be insisted on; multiopus is no more than a wish,
// as browsers offer it only where a page has edited the description.
func preferred(s *sdp.Section, codec string, known []string) []string {
	codec = strings.ToLower(codec)
	if !slices.Contains(known, codec) {
		return nil
	}
	if _, offered := s.FindCodec(codec, ""); codec == sdp.Multiopus && !offered {
		return nil
	}
	return []string{codec}
}

// agree applies the outcome of an answer.
func (h *handle) agree(d *sdp.Description, offer *plugin.JSEP) {
	h.mu.Lock()
	defer h.mu.Unlock()
	s := &h.settings
	s.e2ee = s.e2ee || offer.E2EE
	s.codecs, s.layered = mline.Codecs{}, mline.Single
	old := h.sections
	h.sections = make([]section, len(d.Sections))
	for i := range d.Sections {
		a := &d.Sections[i]
		sec := &h.sections[i]
		sec.kind, sec.out.Section = a.Kind, i
		if i < len(old) {
			sec.out = old[i].out
		}
		if m, ok := recording.Agreed(a); ok && a.Direction.Receives() {
			m.Key, m.Track = int(a.Kind), i
			sec.medium = &m
		}
		if a.Rejected() || len(a.Codecs) == 0 {
			continue
		}
		sec.active = a.Direction == sdp.SendRecv
		s.codecs.Add(a)
		if a.Kind == sdp.Video && s.layered == mline.Single {
			sec.layered = mline.LayeringIn(offer, i, a.Codecs[0].ID())
			s.layered = sec.layered
		}
	}
}

// subscribe sends every section back to itself, once its answer is on its way.
func (h *handle) subscribe() {
	peer := h.Host.Peer()
	if peer == nil {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for i := range h.sections {
		s := &h.sections[i]
		var from mline.Input
		if s.active {
			from = mline.Input{Origin: peer, Section: i, Layering: s.layered}
		}
		s.out.Sync(peer, from, h.paused(i), &h.settings.layers, h.delay(i))
	}
	for _, m := range h.media() {
		if m.Kind != sdp.Application {
			h.recordings.SetOrigin(m.Key, peer, m.Track)
		}
	}
	peer.SetBitrateCap(h.settings.sending.Bitrate)
}
