package videoroom

import (
	"bifrons/api/json"
	"bifrons/api/kit"
	"bifrons/api/kit/mline"
	"bifrons/api/plugin"
	"bifrons/api/schema"
	"bifrons/sdp"
)

// setup makes the request that configures, or publishes for those who do not yet. Everything
// is checked before anything is changed.
func setup(publish bool) publisherRun {
	return func(p *publisher, req *kit.Request, w *json.Writer) (kit.Response, *schema.Error) {
		return p.setup(req, w, publish)
	}
}

func (p *publisher) setup(req *kit.Request, w *json.Writer, publish bool) (kit.Response, *schema.Error) {
	body := req.Body
	err := check(configureFields, body)
	if err == nil {
		err = checkDescriptions(body)
	}
	if err != nil {
		return kit.Response{}, err
	}
	r := p.room
	if publish && p.up {
		return fail(errAlreadyPublished, "Can't publish, already published")
	}
	wishes, err := p.wishes(req)
	if err == nil && req.JSEP != nil {
		err = p.accepts(req)
	}
	if err != nil {
		return kit.Response{}, err
	}
	p.apply(body)
	if !r.lockRecord || authorize(body, "secret", r.Secret) == nil {
		p.recordings.Read(body, p.startRecording)
	}
	described := p.describe(body)
	r.answer(w, "configured")
	var resp kit.Response
	if req.JSEP != nil {
		p.prefer(body)
		resp, err = p.publish(req, w)
	} else if described && p.up {
		p.changes.streams = true
		p.tellChanges()
	}
	for i := range wishes {
		p.grant(&wishes[i])
	}
	r.notify(p.h, "configured", func(w *json.Writer) {
		r.plugin.ids.Write(w, "id", p.id)
		w.Uint("bitrate", p.bitrate)
	})
	return resp, err
}

// apply applies the settings of a configure for the whole participant.
// room.mu is held.
func (p *publisher) apply(body kit.Args) {
	if n, ok := body.Number("bitrate"); ok {
		p.bitrate = uint64(n)
		if peer := p.peer(); peer != nil {
			peer.SetBitrateCap(p.bitrate)
		}
	}
	for _, s := range p.streams {
		if on, ok := body.Flag(plugin.KindName(s.kind)); ok {
			s.setSend(on)
		}
	}
	if p.levels.Read(body); body.Has("audio_active_packets") {
		p.setWindows()
	}
	p.rename(body)
}

// Bytes that descriptions of streams may have: one, and all of a request.
const (
	maxDescription  = 1 << 10
	maxDescriptions = 64 << 10
)

// checkDescriptions looks at a request's descriptions of streams.
func checkDescriptions(body kit.Args) *schema.Error {
	all := 0
	for _, v := range body.Items("descriptions") {
		if err := checkItem(descriptionFields, v, "descriptions"); err != nil {
			return err
		}
		n := json.Len(v.Get("description"))
		if all += n; n > maxDescription || all > maxDescriptions {
			return errorf(errInvalidElement, "Invalid element (descriptions may have %d bytes each, %d in all)", maxDescription, maxDescriptions)
		}
	}
	return nil
}

// describe takes over descriptions of streams that there are or will be; true
// if those of existing ones changed. room.mu is held.
func (p *publisher) describe(body kit.Args) bool {
	list := body.Items("descriptions")
	if len(list) == 0 {
		return false
	}
	p.descriptions = make(map[string]string, len(list))
	changed := false
	for _, v := range list {
		mid, text := v.Str("mid"), v.Str("description")
		p.descriptions[mid] = text
		if s := p.stream(mid); s != nil {
			changed = changed || s.description != text
			s.description = text
		}
	}
	return changed
}

// wishes collects the settings of a request for single streams, or for all of them. room.mu is
// held.
func (p *publisher) wishes(req *kit.Request) ([]item, *schema.Error) {
	list := []kit.Args{req.Body}
	if req.Body.Has("streams") {
		list = req.Body.Items("streams")
	}
	wishes := make([]item, 0, len(list))
	for _, v := range list {
		x, err := p.room.plugin.readItem(v, streamFields)
		switch {
		case err != nil:
			return nil, err
		case !x.hasMID && len(list) > 1:
			return nil, errorf(errMissingElement, "Missing mandatory element (mid)")
		case x.hasMID && !p.knows(x.mid, req.JSEP):
			return nil, errorf(errNoSuchFeed, "No such stream %s", x.mid)
		}
		wishes = append(wishes, x)
	}
	return wishes, nil
}

// knows reports whether there is a stream, or will be after an offer.
func (p *publisher) knows(mid string, j *plugin.JSEP) bool {
	known := p.stream(mid) != nil
	if !known && j != nil {
		_, known = j.SDP.SectionByMID(mid)
	}
	return known
}

// grant applies the settings of a request to its streams. room.mu is held.
func (p *publisher) grant(x *item) {
	for _, s := range p.streams {
		if x.hasMID && s.mid != x.mid {
			continue
		}
		if x.hasSend {
			s.setSend(x.send)
		}
		if x.keyframe {
			s.requestKeyframe()
		}
		s.setDelay(x.change.Delay)
	}
}

// setSend holds or resumes a stream for all its subscribers. room.mu is held.
func (s *stream) setSend(send bool) {
	if s.paused == !send {
		return
	}
	s.paused = !send
	s.gateChanged()
	if send {
		s.requestKeyframe()
	}
}

// setDelay applies the playout delay of a request.
// room.mu is held.
func (s *stream) setDelay(c mline.DelayChange) {
	if s.kind != sdp.Video {
		return
	}
	before := s.delay
	if s.delay.Set(c); s.delay != before {
		s.delayChanged()
	}
}
