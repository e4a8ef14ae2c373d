package videoroom

import (
	"bytes"
	"slices"
	"time"

	"bifrons/api/json"
	"bifrons/api/kit"
	"bifrons/api/kit/mline"
	"bifrons/api/schema"
	"bifrons/sdp"
	"bifrons/sfu"
)

// establish lets others subscribe.
func (p *publisher) establish() {
	p.room.mu.Lock()
	defer p.room.mu.Unlock()
	p.open = !p.gone
}

// connected makes a participant a publisher and informs the others.
func (p *publisher) connected() {
	r := p.room
	r.mu.Lock()
	defer r.mu.Unlock()
	if p.gone {
		return
	}
	p.up, p.toldUnpublished = true, false
	if peer := p.peer(); peer != nil {
		peer.SetBitrateCap(p.bitrate)
	}
	p.setWindows()
	p.setKeyframes()
	p.cascade()
	p.startRecording()
	p.announce()
	p.notifyStreams("published")
}

// publisherRun carries out a request of a participant. room.mu is held.
type publisherRun = func(*publisher, *kit.Request, *json.Writer) (kit.Response, *schema.Error)

// run runs a request, unless the participant is in no room any more; nil says that there
// is none like that.
func (p *publisher) run(f publisherRun, r *kit.Request, w *json.Writer) (kit.Response, *schema.Error) {
	p.room.mu.Lock()
	defer p.room.mu.Unlock()
	switch {
	case p.gone:
		return fail(errNoSuchRoom, "No such room")
	case f == nil:
		return fail(errInvalidRequest, "Invalid request '%s' for a publisher", r.Body.Str("request"))
	}
	return f(p, r, w)
}

// announce informs the others of the streams of a publisher. room.mu is held.
func (p *publisher) announce() {
	p.room.tell(p, func(w *json.Writer) {
		w.Array("publishers")
		p.writePublisher(w, false)
		w.EndArray()
	})
	p.room.follow(nil)
}

// data passes a message on to whatever the first data section goes to; to subscribers by
// a channel that is named after the publisher.
func (p *publisher) data(_ string, binary bool, payload []byte) {
	for _, peer := range p.deliver(binary, payload) {
		p.room.plugin.SendData(peer, kit.Message{Label: p.id, Binary: binary, Payload: payload})
	}
}

// deliver forwards and records a message, and returns the connections that it goes to.
func (p *publisher) deliver(binary bool, payload []byte) (to []*sfu.Peer) {
	p.room.mu.Lock()
	defer p.room.mu.Unlock()
	s := p.firstData
	if p.gone || s == nil || !s.flows() {
		return nil
	}
	for _, f := range s.ownForwarders() {
		f.Message(binary, payload)
	}
	p.recordings.Message(s.mindex, binary, payload)
	for l := range s.lines {
		if peer := l.sub.h.Host.Peer(); peer != nil && l.sub.writable && l.ready && l.send && !l.sub.blocked() {
			to = append(to, peer)
		}
	}
	return to
}

// event handles the events of the media engine.
func (p *publisher) event(e sfu.Event) {
	switch e.Kind {
	case sfu.EventAudioLevel:
		p.level(e)
	case sfu.EventSlowLink:
		if e.Uplink {
			return
		}
		p.room.mu.Lock()
		defer p.room.mu.Unlock()
		if !p.gone {
			p.h.Host.Push("", event("slow_link", func(w *json.Writer) { w.Uint("current-bitrate", p.bitrate) }), nil)
		}
	}
}

// section finds the stream of a section of the connection, nil if there is
// none. room.mu is held.
func (p *publisher) section(i int) *stream {
	return kit.Find(p.streams, func(s *stream) bool { return s.mindex == i })
}

// level takes a mean audio level, and tells everybody when it means that
// somebody began or stopped to talk.
func (p *publisher) level(e sfu.Event) {
	r := p.room
	r.mu.Lock()
	defer r.mu.Unlock()
	s := p.section(e.Section)
	if p.gone || s == nil || !s.measured() {
		return
	}
	s.level = e.AudioLevel
	_, silence := p.levels.Or(r.audioActivePackets, r.audioLevelAverage)
	talking := e.AudioLevel < float64(silence) // in -dBov
	if talking == s.talking {
		return
	}
	s.talking = talking
	p.talking = slices.ContainsFunc(p.streams, func(s *stream) bool { return s.talking })
	name := "stopped-talking"
	if talking {
		name = "talking"
	}
	fields := func(w *json.Writer) {
		r.begin(w, name)
		r.plugin.ids.Write(w, "id", p.id)
		w.Int("mindex", int64(s.mindex))
		w.Str("mid", s.mid)
		w.Float("audio-level-dBov-avg", e.AudioLevel)
	}
	r.tellNews("talking "+p.id+" "+s.mid, nil, json.Object(fields))
	p.h.report(fields)
}

// setWindows says which levels are wanted. room.mu is held.
func (p *publisher) setWindows() {
	peer := p.peer()
	if peer == nil || !p.room.audioLevelEvent {
		return
	}
	packets, _ := p.levels.Or(p.room.audioActivePackets, p.room.audioLevelAverage)
	for _, s := range p.streams {
		if s.measured() {
			peer.SetAudioLevelWindow(s.mindex, packets)
		}
	}
}

// setKeyframes says how often key frames are wanted. room.mu is held.
func (p *publisher) setKeyframes() {
	peer := p.peer()
	switch {
	case peer == nil || !p.up:
	case p.gone:
		peer.SetKeyframePeriod(0)
	default:
		peer.SetKeyframePeriod(time.Duration(p.room.firFreq) * time.Second)
	}
}

// unpublish ends publishing; the participant stays. room.mu is held.
func (p *publisher) unpublish(_ *kit.Request, w *json.Writer) (kit.Response, *schema.Error) {
	if !p.up {
		return fail(errNotPublished, "Can't unpublish, not published")
	}
	p.unpublished()
	p.closing = true
	p.room.answer(w, "unpublished")
	return kit.Response{After: p.h.ClosePeer}, nil
}

// unpublished informs everybody that there is nothing more to be had from p.
// room.mu is held.
func (p *publisher) unpublished() {
	r := p.room
	r.feedGone(p, true)
	p.tellGone("unpublished")
	r.notify(p.h, "unpublished", p.writeIdentity)
	p.reset()
}

// tellGone informs the others that p left, unpublished or was kicked. room.mu is
// held.
func (p *publisher) tellGone(key string) {
	p.toldUnpublished = p.toldUnpublished || key == "unpublished"
	p.room.tell(p, func(w *json.Writer) {
		p.writeName(w)
		p.room.plugin.ids.Write(w, key, p.id)
	})
}

// reset forgets the peer connection. room.mu is held.
func (p *publisher) reset() {
	p.forwarders.StopAll()
	p.recordings.StopAll(nil)
	p.open, p.up, p.e2ee, p.talking = false, false, false, false
	p.streams, p.firstData = nil, nil
	p.descriptions, p.recordings.Base = nil, ""
	clear(p.wanted)
}

// hangup is the end of the peer connection.
func (p *publisher) hangup(string) {
	p.room.mu.Lock()
	defer p.room.mu.Unlock()
	switch {
	case p.gone:
		p.reset()
	case len(p.streams) > 0 || p.open || p.up:
		p.unpublished()
	case p.closing:
		// Clients were told already when it was asked for; they are used to
		// hear it again when it is done.
		p.tellGone("unpublished")
	}
	p.closing = false
}

// leave takes the participant out of the room. room.mu is held.
func (p *publisher) leave(_ *kit.Request, w *json.Writer) (kit.Response, *schema.Error) {
	p.room.feedGone(p, false)
	p.left()
	p.room.answer(w, "leaving")
	return kit.Response{}, nil
}

// left informs everybody that p is gone. room.mu is held.
func (p *publisher) left() {
	p.tellGone("leaving")
	p.room.notify(p.h, "leaving", p.writeIdentity)
	p.room.remove(p)
}

// detach is the end of the handle.
func (p *publisher) detach() {
	p.room.mu.Lock()
	defer p.room.mu.Unlock()
	if p.gone {
		return
	}
	if !p.toldUnpublished {
		p.unpublished()
	}
	p.left()
}

// newStream makes a stream of a section.
func (p *publisher) newStream(mindex int, mid string, kind sdp.Kind) *stream {
	return &stream{
		publisher: p, mindex: mindex, mid: mid, kind: kind, delay: mline.NoDelay,
		description: p.descriptions[mid], lines: make(map[*line]struct{}),
	}
}

// The others are told of changes that a participant makes to what they see of it
// at once, but not more often than this: after changeBurst of them, one in
// changePeriod with the last values.
const (
	changePeriod = time.Second
	changeBurst  = 5
)

// tellChanges informs the others of the changes marked in p.changes, now or later.
// room.mu is held.
func (p *publisher) tellChanges() {
	pace := &p.changes.pace
	pace.Burst, pace.Period, pace.Log = changeBurst, changePeriod, p.room.plugin.Gateway.Logger()
	pace.Do(&p.room.mu, p.flushChanges)
}

// flushChanges informs the others. room.mu is held.
func (p *publisher) flushChanges() {
	name, metadata, streams := p.changes.name, p.changes.metadata, p.changes.streams
	p.changes.name, p.changes.metadata, p.changes.streams = false, false, false
	if name || metadata {
		p.room.tellNews("name "+p.id, p, event("event", func(w *json.Writer) {
			p.room.plugin.ids.Write(w, "id", p.id)
			if name {
				w.Str("display", p.display)
			}
			w.OptRaw("metadata", p.metadata)
		}))
	}
	if streams && p.up {
		p.announce()
	}
}

// rename changes the display name and metadata, and informs the others who saw
// the old ones. room.mu is held.
func (p *publisher) rename(body kit.Args) {
	c := &p.changes
	if name, ok := body.Text("display"); ok && name != p.display {
		c.name = c.name || p.display != ""
		p.display = name
	}
	if metadata := body.Raw("metadata"); metadata != nil && !bytes.Equal(metadata, p.metadata) {
		c.metadata = c.metadata || p.metadata != nil
		p.metadata = metadata
	}
	if c.name || c.metadata {
		p.tellChanges()
	}
}

// remove forgets a participant.
func (r *room) remove(p *publisher) {
	p.gone = true
	p.changes.pace.Stop()
	p.setKeyframes()
	p.forwarders.StopAll()
	p.recordings.StopAll(nil)
	p.remotes = nil
	if p.source != nil {
		p.source.Close()
	}
	if r.participants[p.id] == p {
		delete(r.participants, p.id)
		delete(r.private, p.privateID)
		r.members = slices.DeleteFunc(r.members, func(x *publisher) bool { return x == p })
	}
}

// end ends the room for everybody in it.
func (r *room) end() {
	r.Gone = true
	data := event("destroyed", r.writeRoom)
	r.tellAll(nil, data)
	for _, p := range slices.Clone(r.members) {
		r.remove(p)
		if p.h != nil {
			p.h.ClosePeer()
		}
	}
	r.detach(func(*stream) bool { return true }, false)
	for s := range r.subscribers {
		if s.answers { // nothing else says who watches
			s.h.ClosePeer()
		}
	}
	clear(r.subscribers)
}
