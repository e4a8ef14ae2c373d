package videoroom

import (
	"slices"
	"strings"

	"bifrons/api/json"
	"bifrons/api/kit"
	"bifrons/api/kit/mline"
	"bifrons/api/plugin"
	"bifrons/api/schema"
	"bifrons/sdp"
)

// Everything here needs room.mu.

// accepts checks an offer before anything is done with it.
func (p *publisher) accepts(req *kit.Request) *schema.Error {
	r := p.room
	if req.JSEP.SDP.Type != sdp.TypeOffer {
		return errorf(errInvalidSDPType, "Unknown SDP type '%s'", req.JSEP.SDP.Type)
	}
	for kind, field := range codecFields {
		codec := req.Body.Str(field)
		if codec != "" && !r.allows(kind, strings.ToLower(codec)) {
			return errorf(errInvalidElement, "Invalid element (codec %s is not allowed in this room)", codec)
		}
	}
	switch {
	case r.requireE2EE && !req.JSEP.E2EE:
		return errorf(errUnauthorized, "Room requires end-to-end encrypted media")
	case !req.JSEP.Update && r.full(p):
		return errorf(errPublishersFull, "Maximum number of publishers (%d) already reached", r.maxPublishers)
	}
	return nil
}

// publish answers an offer, and writes the outcome into the answer of the
// request.
func (p *publisher) publish(req *kit.Request, w *json.Writer) (kit.Response, *schema.Error) {
	j := req.JSEP
	p.e2ee = p.e2ee || j.E2EE
	firefox := strings.HasPrefix(j.SDP.Origin.Username, "mozilla")
	d := sdp.Answer(j.SDP, sdp.AnswerOptions{
		Name: "VideoRoom " + p.room.id,
		Choose: func(i int, s *sdp.Section) sdp.SectionChoice {
			c := p.choose(i, s)
			if s.Kind == sdp.Video {
				c.Bandwidth = p.bandwidth(firefox)
			}
			return c
		},
	})
	p.agree(d, j)
	p.answering = true
	p.writeAgreed(w)
	return kit.Response{JSEP: &plugin.JSEP{SDP: d, E2EE: p.e2ee}, After: p.answered}, nil
}

// answered is called when the client has the answer.
func (p *publisher) answered() {
	r := p.room
	r.mu.Lock()
	defer r.mu.Unlock()
	p.answering = false
	p.startRecording()
	if p.gone || !p.up {
		return // or connected does it
	}
	p.setWindows()
	p.cascade()
	r.feedChanged(p)
	p.announce()
	p.notifyStreams("updated")
}

// bandwidth is the limit of a video section (RFC 8866, 5.8).
func (p *publisher) bandwidth(tias bool) sdp.Bandwidth {
	switch {
	case !p.room.bitrateCap || p.bitrate == 0:
		return sdp.Bandwidth{}
	case tias:
		return sdp.Bandwidth{Type: "TIAS", Value: p.bitrate}
	}
	return sdp.Bandwidth{Type: "AS", Value: p.bitrate / 1000}
}

// choose decides on an offered section. Nothing is ever sent to a
// publisher but data.
func (p *publisher) choose(i int, s *sdp.Section) sdp.SectionChoice {
	r := p.room
	if s.Kind == sdp.Application {
		return sdp.SectionChoice{}
	}
	c := sdp.SectionChoice{NoSend: true, Extensions: []string{sdp.URIMID, sdp.URIRID, sdp.URIRepairedRID}}
	codec := p.wants(i, s)
	if codec == "" {
		c.Reject = true
		return c
	}
	c.Codecs = []string{codec}
	accept := func(allowed bool, uri string) {
		if allowed {
			c.Extensions = append(c.Extensions, uri)
		}
	}
	accept(r.transportCC, sdp.URITransportCC)
	if s.Kind == sdp.Audio {
		accept(r.audioLevelExt, sdp.URIAudioLevel)
		c.AudioParams = r.opusParams()
		return c
	}
	accept(r.orientationExt, sdp.URIVideoOrientation)
	accept(r.delayExt, sdp.URIPlayoutDelay)
	accept(true, sdp.URIDependencyDescriptor)
	switch codec {
	case sdp.VP9:
		c.Profile = r.vp9Profile
	case sdp.H264:
		c.Profile = r.h264Profile
	}
	return c
}

// wants is the codec for an offered section, "" if there is none: the one that
// the stream has, the one that the publisher asked for, or else the room's
// first that was offered.
func (p *publisher) wants(i int, s *sdp.Section) string {
	list := p.room.codecs(s.Kind)
	if wanted := p.wanted[s.Kind]; wanted != "" {
		list = []string{wanted}
	}
	if old := p.section(i); old != nil && old.mid == s.MID && old.kind == s.Kind && old.Codec != "" {
		list = append([]string{old.Codec}, list...)
	}
	for _, codec := range list {
		if _, ok := s.FindCodec(codec, ""); ok {
			return codec
		}
	}
	return ""
}

func (r *room) opusParams() []string {
	list := []string{"stereo=1"}
	if r.opusFEC {
		list = append(list, "useinbandfec=1")
	}
	if r.opusDTX {
		list = append(list, "usedtx=1")
	}
	return list
}

// agree applies the outcome of an answer.
func (p *publisher) agree(d *sdp.Description, offer *plugin.JSEP) {
	old := p.streams
	p.streams, p.firstData = make([]*stream, 0, len(d.Sections)), nil
	for i := range d.Sections {
		a := &d.Sections[i]
		if a.Kind == sdp.Other {
			continue
		}
		k := slices.IndexFunc(old, func(s *stream) bool { return s.mindex == i && s.mid == a.MID && s.kind == a.Kind })
		var s *stream
		if k >= 0 {
			s, old = old[k], slices.Delete(slices.Clone(old), k, k+1)
		} else {
			s = p.newStream(i, a.MID, a.Kind)
		}
		s.agree(d, offer)
		p.streams = append(p.streams, s)
		if a.Kind == sdp.Application && !s.disabled && p.firstData == nil {
			p.firstData = s
		}
	}
	for _, s := range old {
		s.disable()
		if s.mindex >= len(d.Sections) {
			p.streams = append(p.streams, s)
		}
	}
	for _, s := range p.streams {
		s.gateChanged()
	}
}

// disable ends a stream whose section is out of use.
func (s *stream) disable() {
	s.disabled, s.talking = true, false
	s.gateChanged()
	s.stopForwarders()
}

// agree applies the settings of the answer for the stream's section.
func (s *stream) agree(d *sdp.Description, offer *plugin.JSEP) {
	a := &d.Sections[s.mindex]
	s.disabled = a.Rejected() || a.Kind != sdp.Application && (len(a.Codecs) == 0 || !a.Direction.Receives())
	s.audioLevelExt = a.ExtensionID(sdp.URIAudioLevel)
	s.orientationExt = a.ExtensionID(sdp.URIVideoOrientation)
	s.delayExt = a.ExtensionID(sdp.URIPlayoutDelay)
	s.talking = s.talking && !s.disabled
	s.Layering = mline.Single
	if f, ok := mline.Agreed(d, offer, s.mindex); ok {
		s.Format = f
		if s.Layering == mline.Single && s.Codec == sdp.VP9 && s.publisher.room.expectsSVC() {
			s.Layering = mline.SVC
		}
	}
}

// expectsSVC reports whether publishers of video may send layers without saying so: where VP9
// is the only codec.
func (s *settings) expectsSVC() bool { return s.svc && slices.Equal(s.videoCodecs, []string{sdp.VP9}) }

// writeAgreed writes the agreed streams for the publisher itself.
func (p *publisher) writeAgreed(w *json.Writer) {
	for _, kind := range []sdp.Kind{sdp.Audio, sdp.Video} {
		s := kit.Find(p.streams, func(s *stream) bool { return s.kind == kind })
		switch {
		case s == nil:
		case s.disabled || s.Codec == "":
			w.Str(plugin.KindName(kind)+"_codec", "none")
		default:
			w.Str(plugin.KindName(kind)+"_codec", s.Codec)
		}
	}
	json.Objects(w, "streams", p.streams, func(s *stream) { s.writeOwn(w) })
}

// prefer applies the settings of a joinandconfigure for publishing. room.mu is
// held.
func (p *publisher) prefer(body kit.Args) {
	if n, ok := body.Number("bitrate"); ok {
		p.bitrate = uint64(n)
	}
	for kind, field := range codecFields {
		if codec := body.Lower(field); p.room.allows(kind, codec) {
			p.wanted[kind] = codec
		}
	}
}

// codecFields say which codec is wanted of which kind of media.
var codecFields = map[sdp.Kind]string{sdp.Audio: "audiocodec", sdp.Video: "videocodec"}
