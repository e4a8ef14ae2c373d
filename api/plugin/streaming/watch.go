package streaming

import (
	"slices"
	"strings"

	"bifrons/api/json"
	"bifrons/api/kit"
	"bifrons/api/kit/clip"
	"bifrons/api/kit/mline"
	"bifrons/api/plugin"
	"bifrons/api/schema"
	"bifrons/sdp"
)

// watch makes a handle a viewer of a mountpoint. Either the client offers, or it
// gets an offer of everything.
func (h *handle) watch(r *kit.Request, w *json.Writer) (kit.Response, *schema.Error) {
	wanted, err := parseWatch(r.Body)
	if err != nil {
		return kit.Response{}, err
	}
	m, fresh, err := h.look(r, wanted.restart)
	if err != nil {
		return kit.Response{}, err
	}
	var file *clip.File
	if fresh && m.kind == typeOnDemand {
		var err error
		if file, err = m.openClip(); err != nil {
			return fail(errUnknown, "Can't play the file: %v", err)
		}
	}
	resp, err := h.watchIt(m, file, wanted, r, w)
	if err != nil && file != nil {
		_ = file.Close()
	}
	return resp, err
}

// look finds the mountpoint to watch. fresh says that nothing is watched yet.
func (h *handle) look(r *kit.Request, restart bool) (m *mountpoint, fresh bool, err *schema.Error) {
	h.plugin.mu.Lock()
	defer h.plugin.mu.Unlock()
	m, err = h.mayWatch(r, restart)
	return m, h.watching == nil, err
}

// watchIt watches a mountpoint, if it is still there. A viewer with a file of its own
// takes it over unless there is an error.
func (h *handle) watchIt(m *mountpoint, file *clip.File, wanted wish, r *kit.Request, w *json.Writer) (kit.Response, *schema.Error) {
	h.plugin.mu.Lock()
	defer h.plugin.mu.Unlock()
	found, err := h.mayWatch(r, wanted.restart)
	if err == nil && found != m {
		err = noSuch(m.id)
	}
	if err != nil {
		return kit.Response{}, err
	}
	if h.watching == nil {
		h.estimation = mline.Estimation{}
	}
	h.estimation.Set(r.Body)
	if r.JSEP != nil {
		again := h.watching != nil
		if !again {
			h.join(m, file)
			h.place(r.JSEP.SDP)
		}
		return h.watchOffered(m, r.JSEP, again, w)
	}
	return h.watchOffering(m, file, wanted, w)
}

// wish is a client's request when it watches.
type wish struct {
	mids    []string // none = all
	without map[sdp.Kind]bool
	layers  mline.Change
	body    kit.Args
	restart bool
}

func parseWatch(body kit.Args) (wish, *schema.Error) {
	x := wish{without: make(map[sdp.Kind]bool), layers: mline.Read(body), body: body, restart: body.Is("restart")}
	var ok bool
	if x.mids, ok = body.Texts("media"); !ok {
		return x, errorf(errInvalidElement, "Invalid element in the media array (not a string)")
	}
	for _, old := range legacyKinds {
		if on, ok := body.Flag("offer_" + old.prefix); ok && !on {
			x.without[old.kind] = true
		}
	}
	return x, nil
}

// includes reports whether a client wants a stream.
func (x *wish) includes(st *streamSettings) bool {
	return !x.without[st.kind] && (len(x.mids) == 0 ||
		slices.ContainsFunc(x.mids, func(mid string) bool { return strings.EqualFold(mid, st.mid) }))
}

// mayWatch is the mountpoint of a request, if the handle can watch it now. The lock is
// held.
func (h *handle) mayWatch(r *kit.Request, restart bool) (*mountpoint, *schema.Error) {
	m, err := h.plugin.mountpoints.Find(r.Body)
	if err == nil {
		err = authorize(r.Body, "pin", m.PIN)
	}
	offer := r.JSEP != nil
	switch {
	case err != nil:
		return nil, err
	case offer && r.JSEP.SDP.Type != sdp.TypeOffer:
		return nil, errorf(errInvalidSDP, "Invalid JSEP type (should be an offer)")
	case h.watching == nil && restart && !offer:
		return nil, errorf(errNoSuchMountpoint, "Can't restart: not on a mountpoint")
	case h.watching == nil, h.watching == m && offer && h.answers && restart && len(h.lines) == len(r.JSEP.SDP.Sections):
		return m, nil
	case h.watching != m || offer || h.answers || !h.up || h.stopping:
		return nil, errorf(errInvalidState, "Already watching mountpoint %s", h.watching.id)
	case h.offered:
		return nil, errorf(errInvalidState, "Already renegotiating mountpoint %s", m.id)
	}
	return m, nil
}

// watchOffering makes an offer of the streams that the client wants. The lock is held.
func (h *handle) watchOffering(m *mountpoint, file *clip.File, x wish, w *json.Writer) (kit.Response, *schema.Error) {
	chosen := m.chosen(&x)
	if !x.restart && len(chosen) == 0 && len(x.without) > 0 {
		return fail(errInvalidRequest, "Can't offer an SDP with no audio, video or data")
	}
	if h.watching == nil {
		h.join(m, file)
	}
	if !x.restart {
		h.choose(chosen, x.layers)
	}
	h.offered = true
	h.version++
	h.sync()
	status := "preparing"
	if x.restart {
		status = "updating"
	}
	writeStatus(w, status)
	return kit.Response{JSEP: &plugin.JSEP{SDP: h.offer(), E2EE: m.e2ee, Restart: x.restart}, After: h.unlessJoined}, nil
}

// chosen are the streams that a client wants, of those that it can be offered: one of
// data at most. The lock is held.
func (m *mountpoint) chosen(x *wish) (list []int) {
	data := false
	for i := range m.streams {
		st := &m.streams[i]
		isData := st.kind == sdp.Application
		if x.includes(st) && !(isData && data) && (isData || st.format.ID != "") {
			list = append(list, i)
			data = data || isData
		}
	}
	return list
}

// choose makes the m-lines carry streams. Existing ones stay in their places.
// The lock is held.
func (h *handle) choose(streams []int, layers mline.Change) {
	for _, l := range h.lines {
		l.active = false
	}
	for _, i := range streams {
		l := lineOf(h.lines, i)
		if l == nil {
			st := &h.watching.streams[i]
			l = h.add(st.kind, st.mid, i)
		}
		current := l.layers.Current
		l.layers = mline.NewLayers()
		l.layers.Current = current
		l.layers.Weight.Priority = h.watching.streams[i].priority
		l.layers.Set(layers)
		l.active = true
	}
}

func lineOf(lines []*line, stream int) *line {
	return kit.Find(lines, func(l *line) bool { return l.stream == stream })
}

// join makes the handle a viewer, with a file of its own if that is not nil. The lock is
// held.
func (h *handle) join(m *mountpoint, file *clip.File) {
	h.watching = m
	if file != nil {
		h.own = &own{h: h, file: file}
	}
	m.viewers[h] = struct{}{}
}

// unlessJoined takes the viewer away again if its offer could not be made.
func (h *handle) unlessJoined() {
	if h.Host.Peer() == nil {
		h.Hangup("")
	}
}

// offer describes the m-lines. The lock is held.
func (h *handle) offer() *sdp.Description {
	m := h.watching
	video := slices.ContainsFunc(h.lines, func(l *line) bool { return l.kind == sdp.Video })
	o := sdp.OfferOptions{Name: "Mountpoint " + m.id, Version: h.version}
	for _, l := range h.lines {
		s := sdp.OfferSection{Kind: l.kind, MID: l.mid, Direction: sdp.SendOnly}
		if !l.active {
			s.Direction = sdp.Inactive
		}
		if st := h.stream(l); st != nil && l.kind != sdp.Application {
			s.Codec, s.PT, s.Channels, s.Fmtp = st.format.ID, st.format.PT, st.format.Channels, st.format.Fmtp
			s.Stream, s.Track, _ = parseMSID(st.msid)
			s.Extensions = m.extensions(video)
		}
		o.Sections = append(o.Sections, s)
	}
	return sdp.Offer(o)
}

// extensions are the RTP header extensions to offer, with video or without.
func (m *mountpoint) extensions(video bool) []sdp.Extension {
	list := []sdp.Extension{{URI: sdp.URIMID}, {URI: sdp.URIAbsSendTime}}
	if m.estimate && video { // Janus does not have it; REMB alone says little about a line that has room
		list = append(list, sdp.Extension{URI: sdp.URITransportCC})
	}
	if m.captureTimeID != 0 {
		list = append(list, sdp.Extension{URI: sdp.URIAbsCaptureTime})
	}
	if m.playoutDelay {
		list = append(list, sdp.Extension{URI: sdp.URIPlayoutDelay})
	}
	return list
}

// answerExtensions are the RTP header extensions that clients may offer.
var answerExtensions = []string{sdp.URIMID, sdp.URIAbsSendTime, sdp.URITransportCC, sdp.URIAbsCaptureTime, sdp.URIPlayoutDelay}

// place assigns streams to the m-lines of a client's first offer: each the first stream
// of its kind, of those that are left, whose codec it lists. The lock is held.
func (h *handle) place(offer *sdp.Description) {
	h.answers = true
	for i := range offer.Sections {
		h.add(offer.Sections[i].Kind, offer.Sections[i].MID, -1)
	}
	for i, l := range h.lines {
		if s := &offer.Sections[i]; !s.Rejected() {
			l.stream = h.match(s)
		}
	}
}

// watchOffered answers a client's offer. The lock is held.
func (h *handle) watchOffered(m *mountpoint, j *plugin.JSEP, again bool, w *json.Writer) (kit.Response, *schema.Error) {
	d := sdp.Answer(j.SDP, sdp.AnswerOptions{Name: "Mountpoint " + m.id, Choose: func(i int, s *sdp.Section) sdp.SectionChoice {
		l := h.lines[i]
		if l.stream < 0 {
			return sdp.SectionChoice{Reject: true}
		}
		st := &m.streams[l.stream]
		c := sdp.SectionChoice{NoReceive: true, Codecs: []string{st.format.ID}, Extensions: answerExtensions}
		if l.kind != sdp.Application {
			c.Stream, c.Track, _ = parseMSID(st.msid)
			c.Fmtp = st.format.Fmtp
			if c.Fmtp == "" {
				c.Profile = sdp.DefaultH264Profile // as in an offer
			}
		}
		return c
	}})
	for i, l := range h.lines {
		if l.active = !d.Sections[i].Rejected(); !l.active {
			l.stream = -1
		}
		if l.ready = l.active; l.active {
			l.layers.Weight.Priority = m.streams[l.stream].priority
		}
	}
	status := "starting"
	if again {
		status = "updating"
		h.sync()
	}
	writeStatus(w, status)
	h.notifyStatus(status)
	return kit.Response{JSEP: &plugin.JSEP{SDP: d, E2EE: m.e2ee}, After: h.unlessJoined}, nil
}

// match finds a stream for an offered m-line that no other one carries, -1 if there is
// none.
func (h *handle) match(s *sdp.Section) int {
	isData := s.Kind == sdp.Application
	for i := range h.watching.streams {
		st := &h.watching.streams[i]
		if lineOf(h.lines, i) == nil && st.kind == s.Kind && (isData || s.Direction.Receives() && st.format.Suits(s)) {
			return i
		}
	}
	return -1
}
