package admin

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"bifrons/api/incident"
	"bifrons/api/janus"
	"bifrons/api/plugin"
	"bifrons/sfu"
)

// surveyAge is how long a survey is good for. However many look, the server looks
// around once in that time.
const surveyAge = 900 * time.Millisecond

// survey is how all clients fare at one moment. Nothing in it changes.
type survey struct {
	at                       time.Time
	sessions, handles, conns int
	stages                   map[sfu.Stage]int
	in, out                  uint64 // bit/s of all connections
	levels                   [numLevels]int
	rows                     []*row   // those with a connection or a seat, the worst first
	groups                   []*group // the worst first
	groupsByKind             map[string]int
	roomsOf                  map[string]int // how many rooms plugins have, by package
}

// row is how one handle fares.
type row struct {
	session, handle uint64
	pkg, opaque     string
	seat            plugin.Seat
	connected       bool // has a peer connection
	shard           int
	v               sfu.Vitals
	verdict
}

// groupKey identifies a group.
type groupKey struct{ pkg, kind, id string }

// group is a room, mountpoint or call with those who are there.
type group struct {
	groupKey
	title                   string
	state                   string // of a call
	handles, conns, sending int
	in, out                 uint64 // bit/s
	levels                  [numLevels]int
	worst                   *row
}

// survey looks around, unless that was done a moment ago.
func (a *Admin) survey() *survey {
	a.surveying.Lock()
	defer a.surveying.Unlock()
	if s := a.last; s != nil && time.Since(s.at) < surveyAge {
		return s
	}
	a.last = a.lookAround()
	return a.last
}

func (a *Admin) lookAround() *survey {
	s := &survey{at: time.Now(), stages: make(map[sfu.Stage]int), groupsByKind: make(map[string]int), roomsOf: make(map[string]int)}
	var peers []*sfu.Peer
	for _, session := range a.core.Sessions() {
		s.sessions++
		first := len(s.rows)
		for _, h := range session.Handles() {
			s.handles++
			peer, seat := h.Peer(), h.Seat()
			if peer == nil && seat == (plugin.Seat{}) {
				continue
			}
			r := &row{session: session.ID(), handle: h.ID(), pkg: h.Package(), opaque: h.OpaqueID(), seat: seat, connected: peer != nil}
			if peer != nil {
				r.shard = peer.Shard() - 1
			}
			s.rows, peers = append(s.rows, r), append(peers, peer)
		}
		nameRows(s.rows[first:])
	}
	if e := a.core.Settings().Engine; e != nil {
		for i, v := range e.Vitals(peers) {
			s.rows[i].v = v
		}
	}
	s.judge()
	s.gather(a.core)
	a.noteDrops(s.at)
	return s
}

// noteDrops reports datagrams that the kernel has dropped since the last time.
func (a *Admin) noteDrops(now time.Time) {
	e := a.core.Settings().Engine
	if e == nil {
		return
	}
	var drops [2]uint64
	for _, st := range e.Stats() {
		drops[0] += st.Net.KernelDrops
		drops[1] += st.Net.SendDrops
	}
	for i, text := range []string{
		"The kernel dropped incoming packets: the receive buffer of a media socket was full",
		"The kernel refused packets: the send buffer of a media socket was full",
	} {
		if n := drops[i] - a.drops[i]; n > 0 {
			a.cfg.Incidents.Add(incident.Incident{
				Last: now, Text: text, Detail: fmt.Sprintf("packets=%d", n),
				Remedy: "Give the server more CPU time, and raise net.core.rmem_max and net.core.wmem_max (bifrons doctor says how far).",
			})
		}
	}
	a.drops = drops
}

// nameRows names the handles of a session that have no name by the one that has: who
// subscribes in a room is who publishes there.
func nameRows(rows []*row) {
	known := make(map[groupKey]*row) // nil = there are several
	for _, r := range rows {
		if k := r.group(); r.seat.Name != "" {
			if _, more := known[k]; more {
				r = nil
			}
			known[k] = r
		}
	}
	for _, r := range rows {
		if o := known[r.group()]; o != nil && r.seat.Name == "" {
			r.seat.Name, r.seat.User = o.seat.Name, cmp.Or(r.seat.User, o.seat.User)
		}
	}
}

func (r *row) group() groupKey { return groupKey{r.pkg, r.seat.Kind, r.seat.ID} }

func (s *survey) judge() {
	for _, r := range s.rows {
		if !r.connected {
			continue
		}
		r.verdict = judge(&r.v)
		s.conns++
		s.stages[r.v.Stage]++
		s.levels[r.level]++
		s.in += 8 * uint64(r.v.BytesIn)
		s.out += 8 * uint64(r.v.BytesOut)
	}
	slices.SortStableFunc(s.rows, func(a, b *row) int {
		return cmp.Or(cmp.Compare(b.score, a.score), cmp.Compare(yes(b.connected), yes(a.connected)),
			cmp.Compare(b.v.BytesIn+b.v.BytesOut, a.v.BytesIn+a.v.BytesOut),
			cmp.Compare(len(a.seat.ID), len(b.seat.ID)), cmp.Compare(a.seat.ID, b.seat.ID), cmp.Compare(a.seat.Name, b.seat.Name),
			cmp.Compare(a.handle, b.handle))
	})
}

func yes(b bool) int {
	if b {
		return 1
	}
	return 0
}

// gather puts those together who are together. Rows are in order.
func (s *survey) gather(core *janus.Core) {
	all := make(map[groupKey]*group)
	for _, r := range s.rows {
		if r.seat.Kind == "" {
			continue
		}
		k := r.group()
		g := all[k]
		if g == nil {
			g = &group{groupKey: k, title: titleOf(core, r), state: r.seat.State}
			all[k] = g
			s.groups = append(s.groups, g)
			s.groupsByKind[k.kind]++
		}
		r.seat.Title = cmp.Or(r.seat.Title, g.title)
		g.add(r)
	}
	slices.SortStableFunc(s.groups, func(a, b *group) int {
		return cmp.Or(cmp.Compare(b.score(), a.score()), cmp.Compare(b.levels[levelBad], a.levels[levelBad]),
			cmp.Compare(b.levels[levelWarn], a.levels[levelWarn]), cmp.Compare(b.conns, a.conns),
			cmp.Compare(a.pkg, b.pkg), cmp.Compare(len(a.id), len(b.id)), cmp.Compare(a.id, b.id))
	})
	for _, p := range core.Plugins() {
		if l, ok := p.(plugin.Landlord); ok {
			s.roomsOf[p.Info().Package] = l.Rooms().Len()
		}
	}
}

func (g *group) add(r *row) {
	g.handles++
	if r.seat.Role == "publisher" {
		g.sending++
	}
	if !r.connected {
		return
	}
	g.conns++
	g.in += 8 * uint64(r.v.BytesIn)
	g.out += 8 * uint64(r.v.BytesOut)
	g.levels[r.level]++
	if r.level != levelOK && g.worst == nil {
		g.worst = r
	}
}

func (g *group) score() int {
	if g.worst == nil {
		return 0
	}
	return g.worst.score
}

// titleOf is the title of the place where r is: of its seat, or else as its plugin knows it.
func titleOf(core *janus.Core, r *row) string {
	if r.seat.Title != "" {
		return r.seat.Title
	}
	if l, ok := core.Plugin(r.pkg).(plugin.Landlord); ok {
		return l.Rooms().Title(r.seat.ID)
	}
	return ""
}
