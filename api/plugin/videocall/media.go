package videocall

import (
	"slices"

	"bifrons/api/kit/mline"
	"bifrons/api/kit/recording"
	"bifrons/api/plugin"
	"bifrons/sdp"
	"bifrons/sfu"
)

// flow is the media that goes through one section of both connections.
type flow struct {
	kind               sdp.Kind
	toCaller, toCallee way
	medium             *recording.Medium // the recorded medium, nil = it cannot be recorded
}

// way is one direction of a flow.
type way struct {
	on  bool // as agreed
	out mline.Output
}

// nextFlows are the flows of a description, which keep the state in the engine of the
// last ones.
func nextFlows(d *sdp.Description, last []flow) []flow {
	list := make([]flow, len(d.Sections))
	for i := range list {
		if f := &list[i]; i < len(last) {
			f.toCaller.out, f.toCallee.out = last[i].toCaller.out, last[i].toCallee.out
		} else {
			f.toCaller.out.Section, f.toCallee.out.Section = i, i
		}
	}
	return list
}

// encodings are a section with several, and the RTP header
// extensions that identify them, 0 = none.
type encodings struct {
	section       int
	rid, repaired uint8
}

// encodingsOf are the sections with several encodings of a description.
func encodingsOf(j *plugin.JSEP) (list []encodings) {
	for _, s := range j.Simulcast {
		e := encodings{section: s.Index}
		if len(s.RIDs) > 0 {
			offered := &j.SDP.Sections[s.Index]
			e.rid, e.repaired = offered.ExtensionID(sdp.URIRID), offered.ExtensionID(sdp.URIRepairedRID)
		}
		list = append(list, e)
	}
	return list
}

// accept adds to the answer for a section that we take the encodings. The callee is not
// asked, who gets one of them.
func (e *encodings) accept(s *sdp.Section) {
	add := func(id uint8, uri string) {
		if id != 0 && s.ExtensionID(uri) == 0 {
			s.Extensions = append(s.Extensions, sdp.Extension{ID: id, URI: uri})
		}
	}
	add(e.rid, sdp.URIRID)
	add(e.repaired, sdp.URIRepairedRID)
	switch s.Codecs[0].ID() {
	case sdp.VP9, sdp.AV1:
	default: // browsers would leave the temporal layer out of the payload, by which it is chosen
		s.Extensions = slices.DeleteFunc(s.Extensions, func(x sdp.Extension) bool { return x.URI == sdp.URIDependencyDescriptor })
	}
}

// agree applies the outcome of one side's answer. It becomes the answer for the
// other side.
func (c *call) agree(answer *plugin.JSEP, by *handle) {
	sent := c.offered
	if by == c.caller {
		sent = encodingsOf(answer)
	}
	c.offering, c.codecs, c.layered = nil, mline.Codecs{}, -1
	c.flows = nextFlows(answer.SDP, c.flows)
	for i := range answer.SDP.Sections {
		s, f := &answer.SDP.Sections[i], &c.flows[i]
		f.kind = s.Kind
		if m, ok := recording.Agreed(s); ok {
			m.Key, m.Track = int(s.Kind), i
			f.medium = &m
		}
		if s.Rejected() || len(s.Codecs) == 0 && s.Kind != sdp.Application {
			continue
		}
		f.toCaller.on, f.toCallee.on = s.Direction.Sends(), s.Direction.Receives()
		if by == c.caller {
			f.toCaller.on, f.toCallee.on = f.toCallee.on, f.toCaller.on
		}
		if len(s.Codecs) > 0 {
			c.codecs.Add(s)
		}
	}
	for _, e := range sent {
		if e.section >= len(c.flows) || !c.flows[e.section].toCallee.on || c.flows[e.section].kind != sdp.Video {
			continue
		}
		if by == c.callee {
			e.accept(&answer.SDP.Sections[e.section])
		}
		if c.layered < 0 {
			c.layered = e.section
		}
	}
}

// link has media flow as agreed.
func (c *call) link() {
	caller, callee := c.caller.Host.Peer(), c.callee.Host.Peer()
	if c.over || caller == nil || callee == nil {
		return
	}
	for i := range c.flows {
		if f := &c.flows[i]; f.kind == sdp.Audio || f.kind == sdp.Video {
			c.connect(i, c.caller, caller, callee)
			c.connect(i, c.callee, callee, caller)
		}
	}
	c.caller.setSends(c, caller)
	c.callee.setSends(c, callee)
}

// connect has a side get what the other one sends in a section, or nothing.
func (c *call) connect(section int, h *handle, to, from *sfu.Peer) {
	x := c.way(h, section)
	var input mline.Input
	if x.on {
		input = mline.Input{Origin: from, Section: section, Layering: c.layering(h, section)}
	}
	x.out.Sync(to, input, c.opposite(h).sending.Mutes(c.flows[section].kind), &h.layers, mline.NoDelay)
}

// way is the direction of a flow that goes to a side.
func (c *call) way(to *handle, section int) *way {
	if to == c.caller {
		return &c.flows[section].toCaller
	}
	return &c.flows[section].toCallee
}

// layering is the layering of a side's video in a section, so that it can choose. c may
// be nil.
func (c *call) layering(h *handle, section int) mline.Layering {
	return mline.LayeringOf(c != nil && h == c.callee && c.layered >= 0 && c.layered == section, false)
}

// kind is the kind of a section. c may be nil.
func (c *call) kind(section int) sdp.Kind {
	if c == nil || section < 0 || section >= len(c.flows) {
		return sdp.Other
	}
	return c.flows[section].kind
}

// videoCodec is the codec of the first video. c may be nil.
func (c *call) videoCodec() string {
	if c == nil {
		return ""
	}
	return c.codecs.Video
}

// applyGates forwards a side's media to the other one, or holds it.
func (c *call) applyGates(h *handle) {
	other := c.opposite(h)
	peer := other.Host.Peer()
	for i := range c.flows {
		c.way(other, i).out.Hold(peer, h.sending.Mutes(c.flows[i].kind))
	}
	h.recordings.MuteKinds(h.sending.Mutes)
}

// retarget has the callee get another encoding, and returns those that it gets already.
func (c *call) retarget(h *handle, change mline.Change) []mline.Event {
	as := c.layering(h, c.layered)
	if as == mline.Single || !change.Retargets() {
		return nil
	}
	c.way(h, c.layered).out.Retarget(h.Host.Peer(), &h.layers)
	outcome := h.layers.Outcome(change, as)
	if from := c.caller.Host.Peer(); from != nil && (outcome.Keyframe || outcome.Temporal) {
		from.RequestKeyframe(c.layered)
	}
	return outcome.Reached
}
