package audiobridge

import (
	"bifrons/api/json"
	"bifrons/api/kit"
	"bifrons/api/kit/recording"
	"bifrons/api/schema"
	"bifrons/sfu"
)

const (
	defaultQuality  = 4 // complexity of Opus
	defaultVolume   = 100
	defaultPosition = 50

	// maxVolume is how loud somebody can be made, in percent.
	maxVolume = 10000
)

// participant is a client in a room, for as long as it is there. The room's mu guards
// everything that is not fixed.
type participant struct {
	room *room   // fixed
	h    *handle // fixed
	id   string  // fixed

	display   string // "" = none
	muted     bool
	suspended bool
	paused    bool // gets no events
	admin     bool // fixed; knows the room's secret, so that it is heard in a muted room
	group     int  // that it speaks in, 0 = none
	codec     sfu.AudioCodec
	levels    kit.Talking // instead of the room's

	bitrate, quality, loss int
	volume, position       int

	party   *sfu.Party
	media   media // nothing before it is up
	up      bool
	talking bool

	greeted bool     // it knows that it is in the room
	early   [][]byte // events that wait for that

	recordings recording.Wanted
}

// settings are its settings in the conference.
func (p *participant) settings() sfu.PartySettings {
	return sfu.PartySettings{
		Muted: p.muted, Suspended: p.suspended, Exempt: p.admin, Volume: p.volume, Position: p.position,
		Encoding: sfu.OpusSettings{Bitrate: p.bitrate, Complexity: p.quality, FEC: p.media.fec, Loss: p.loss},
	}
}

// follow applies changes to the conference and the recording. room.mu is held.
func (p *participant) follow() {
	p.party.Set(p.settings())
	p.recordings.SetMuted(0, p.muted || p.suspended)
}

// enter makes it a party of the room's conference. room.mu is held.
func (p *participant) enter() *schema.Error {
	conf, err := p.room.mixing()
	if err != nil {
		return err
	}
	cfg := sfu.PartyConfig{Codec: p.codec, Group: p.group, Talking: p.talks}
	cfg.Settings = p.settings()
	if p.room.levelEvent {
		cfg.Window, cfg.Threshold = p.levels.Or(p.room.levelPackets, p.room.levelAverage)
	}
	p.party = conf.Join(cfg)
	return nil
}

// end gives back all that it has in the room. room.mu is held.
func (p *participant) end() {
	p.party.Leave()
	p.media.cut()
	p.recordings.StopAll(nil)
}

// talks announces who begins or stops talking.
func (p *participant) talks(talking bool, _ float64) {
	r := p.room
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.has(p) || p.talking == talking || p.media.in.Level == 0 {
		return
	}
	p.talking = talking
	kind := "stopped-talking"
	if talking {
		kind = "talking"
	}
	data := r.event(kind, func(w *json.Writer) { r.plugin.ids.Write(w, "id", p.id) })
	r.tellNews("talking "+r.id+" "+p.id, data)
	if r.plugin.Events.Wanted() {
		p.h.Host.Notify(data)
	}
}

// write writes the participant as others know it. full includes who talks. room.mu is
// held.
func (p *participant) write(w *json.Writer, full bool) {
	r := p.room
	r.plugin.ids.Write(w, "id", p.id)
	w.OptStr("display", p.display)
	w.Bool("setup", p.up)
	w.Bool("muted", p.muted)
	if full && p.h.agreed().in.Level != 0 {
		w.Bool("talking", p.talking)
	}
	if r.spatial {
		w.Int("spatial_position", int64(p.position))
	}
	w.OptTrue("suspended", p.suspended)
}

// maxEarly is how many events wait for the answer to a join.
const maxEarly = 256

// tell sends it an event: after the answer to its join, whatever happens meanwhile. With a
// topic it is news that replace those before, should they not have been read yet. room.mu is
// held.
func (p *participant) tell(topic string, data []byte) {
	if !p.greeted && len(p.early) < maxEarly {
		p.early = append(p.early, data)
		return
	}
	p.release()
	if topic != "" {
		p.h.Host.Tell(topic, data)
		return
	}
	p.h.Host.Push("", data, nil)
}

// release sends the events that wait. room.mu is held.
func (p *participant) release() {
	for _, data := range p.early {
		p.h.Host.Push("", data, nil)
	}
	p.greeted, p.early = true, nil
}

// greet notes that the answer to its join is on its way.
func (p *participant) greet() {
	p.room.mu.Lock()
	defer p.room.mu.Unlock()
	p.release()
}

// writeAlone writes it as the only one of a list.
func (p *participant) writeAlone(w *json.Writer) {
	json.Objects(w, "participants", []*participant{p}, func(p *participant) { p.write(w, false) })
}

// writeOthers writes all who are in the room but one, who may be nil. mu is held.
func (r *room) writeOthers(w *json.Writer, except *participant) {
	w.Array("participants")
	for _, p := range r.members {
		if p != except {
			w.Object("")
			p.write(w, true)
			w.End()
		}
	}
	w.EndArray()
}

// changed tells the others, and the participant itself if that did not ask for it. room.mu
// is held.
func (p *participant) changed(except *participant) {
	p.room.tell(p.room.event("event", p.writeAlone), except)
}

// notify informs event handlers about it. room.mu is held.
func (p *participant) notify(event string, fields func(w *json.Writer)) {
	r := p.room
	r.plugin.Events.Notify(p.h.Host, func(w *json.Writer) {
		w.Str("event", event)
		r.plugin.ids.Write(w, "room", r.id)
		r.plugin.ids.Write(w, "id", p.id)
		fields(w)
	})
}

func nothing(*json.Writer) {}

// sendAway closes its connection, and the rest follows. One without a connection leaves at
// once if it is to be forced, or has media of another kind. room.mu is held.
func (p *participant) sendAway(force bool) {
	if force || p.h.hasPlain() {
		p.h.Host.Run(func() { p.h.leave(p, true) })
	}
	p.h.ClosePeer()
}
