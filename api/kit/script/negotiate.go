package script

import (
	"slices"

	"bifrons/api/json"
	"bifrons/api/kit/mline"
	"bifrons/api/kit/recording"
	"bifrons/api/plugin"
	"bifrons/sdp"
)

// negotiation is the agreed state with a client.
type negotiation struct {
	offer    *plugin.JSEP // the client's, that is not answered; nil = there is none
	sections []section
}

// section is one m-line of the client's.
type section struct {
	kind           sdp.Kind
	sends, accepts bool // the client does
	codec          string
	codecs         []sdp.Codec
	layering       mline.Layering    // of its video
	medium         *recording.Medium // nil = nothing of it can be recorded
}

// extensions are the RTP header extensions of the descriptions of scripts that name none.
var extensions = []string{
	sdp.URIMID, sdp.URIRID, sdp.URIRepairedRID, sdp.URIAudioLevel, sdp.URIVideoOrientation, sdp.URIPlayoutDelay,
	sdp.URITransportCC, sdp.URIDependencyDescriptor, sdp.URIAbsSendTime, sdp.URIAbsCaptureTime, sdp.URIVideoLayers,
}

// jsepText is a client's description as scripts get it.
func jsepText(j *plugin.JSEP) string {
	return string(json.Relayout(nil, json.Object(func(w *json.Writer) {
		w.Str("type", j.SDP.Type.String())
		w.Str("sdp", j.SDP.String())
		w.OptTrue("update", j.Update)
		w.OptTrue("e2ee", j.E2EE)
		if len(j.Simulcast) > 0 {
			json.Objects(w, "simulcast", j.Simulcast, func(s plugin.Simulcast) { writeSimulcast(w, &s) })
		}
		if len(j.SVC) > 0 {
			json.Objects(w, "svc", j.SVC, func(s plugin.SVC) {
				w.Int("mindex", int64(s.Index))
				w.Str("mid", s.MID)
				w.Str("svc", s.Mode)
			})
		}
	}), json.Plain))
}

func writeSimulcast(w *json.Writer, s *plugin.Simulcast) {
	w.Int("mindex", int64(s.Index))
	w.Str("mid", s.MID)
	if len(s.RIDs) > 0 {
		w.Array("rids")
		for _, rid := range s.RIDs {
			w.Str("", rid)
		}
		w.EndArray()
		w.Int("rid-ext", int64(s.RIDID))
	}
	if len(s.SSRCs) > 0 {
		w.Array("ssrcs")
		for _, ssrc := range s.SSRCs {
			w.Uint("", uint64(ssrc))
		}
		w.EndArray()
	}
}

// takeRemote takes note of a client's description: an answer settles our offer.
func (h *handle) takeRemote(j *plugin.JSEP) {
	h.plugin.mu.Lock()
	defer h.plugin.mu.Unlock()
	if j.SDP.Type == sdp.TypeOffer {
		h.offer = j
		return
	}
	h.agree(j.SDP, j, false)
	h.sync()
	h.syncRecipients()
}

// completeLocal adds to a script's description the parts that such descriptions lack: header extensions
// and, in an answer, the end-to-end encryption of the offer.
func (h *handle) completeLocal(j *plugin.JSEP) {
	h.plugin.mu.Lock()
	defer h.plugin.mu.Unlock()
	if j.SDP.Type == sdp.TypeOffer {
		offerExtensions(j.SDP)
		return
	}
	if h.offer == nil {
		return
	}
	j.E2EE = j.E2EE || h.offer.E2EE
	full := sdp.Answer(h.offer.SDP, sdp.AnswerOptions{Choose: func(i int, _ *sdp.Section) (c sdp.SectionChoice) {
		c.Extensions = extensions
		if i < len(j.SDP.Sections) {
			for _, codec := range j.SDP.Sections[i].Codecs {
				c.Codecs = append(c.Codecs, codec.ID())
			}
		}
		return c
	}})
	for i := range j.SDP.Sections {
		s := &j.SDP.Sections[i]
		if i < len(full.Sections) && s.Kind == full.Sections[i].Kind && len(s.Extensions) == 0 {
			s.Extensions = full.Sections[i].Extensions
		}
	}
}

// offerExtensions adds those to an offer that names none at all.
func offerExtensions(d *sdp.Description) {
	if slices.ContainsFunc(d.Sections, func(s sdp.Section) bool { return len(s.Extensions) > 0 }) {
		return
	}
	for i := range d.Sections {
		s := &d.Sections[i]
		for _, uri := range extensions {
			video := uri != sdp.URIAudioLevel
			audio := video && uri != sdp.URIVideoOrientation && uri != sdp.URIPlayoutDelay && uri != sdp.URIDependencyDescriptor &&
				uri != sdp.URIVideoLayers || uri == sdp.URIAudioLevel
			if s.Kind == sdp.Audio && audio || s.Kind == sdp.Video && video {
				s.Extensions = append(s.Extensions, sdp.Extension{ID: sdp.DefaultExtensionID(uri), URI: uri})
			}
		}
	}
}

// takeLocal applies the outcome of a script's answer, once it is on its way.
func (h *handle) takeLocal(j *plugin.JSEP) {
	h.plugin.mu.Lock()
	defer h.plugin.mu.Unlock()
	if j.SDP.Type == sdp.TypeAnswer && h.offer != nil {
		offer := h.offer
		h.offer = nil
		h.agree(j.SDP, offer, true)
	}
	h.sync()
	h.syncRecipients()
}

// agree takes over an answer: ours to a client's description, or the client's. The caller holds
// the lock, here and below.
func (h *handle) agree(answer *sdp.Description, client *plugin.JSEP, ours bool) {
	h.sections = make([]section, len(answer.Sections))
	for i := range answer.Sections {
		a, s := &answer.Sections[i], &h.sections[i]
		s.kind = a.Kind
		if a.Rejected() || a.Kind != sdp.Application && len(a.Codecs) == 0 {
			continue
		}
		s.sends, s.accepts = a.Direction.Sends(), a.Direction.Receives()
		if ours {
			s.sends, s.accepts = s.accepts, s.sends
		}
		if m, ok := recording.Agreed(a); ok && (s.sends || a.Kind == sdp.Application) {
			m.Key, m.Track, m.E2EE = int(a.Kind), i, client.E2EE
			s.medium = &m
		}
		if len(a.Codecs) > 0 {
			s.codec, s.codecs = a.Codecs[0].ID(), a.Codecs
			s.layering = mline.LayeringIn(client, i, s.codec)
		}
	}
}

// find is the first section of a kind that is good for something, -1 if there is none.
func (h *handle) find(k sdp.Kind, good func(s *section) bool) int {
	return slices.IndexFunc(h.sections, func(s section) bool { return s.kind == k && good(&s) })
}

func (s *section) sending() bool   { return s.sends }
func (s *section) accepting() bool { return s.accepts }

// kind is the kind of a section, as known at present.
func (h *handle) kind(section int) sdp.Kind {
	h.plugin.mu.Lock()
	defer h.plugin.mu.Unlock()
	if section < 0 || section >= len(h.sections) {
		return sdp.Other
	}
	return h.sections[section].kind
}
