package admin

import (
	"maps"
	"math"
	"runtime/metrics"
	"slices"
	"strconv"
	"strings"

	"bifrons/api/incident"
	"bifrons/api/janus"
	"bifrons/api/json"
	"bifrons/api/schema"
	"bifrons/sfu"
)

// Bounds of one answer.
const (
	maxRows      = 500
	maxGroups    = 500
	maxIncidents = 50
	maxFind      = 200 // bytes
)

// page is a part of a list.
type page struct{ offset, limit int }

// page takes a part of a list from the request: limit of at most most, preset if it is
// not given. If it is wrong it answers.
func (q *query) page(offset, limit string, preset, most int) (p page, ok bool) {
	if !q.check(schema.Field{Name: offset, Type: schema.Uint}, schema.Field{Name: limit, Type: schema.Uint}) {
		return p, false
	}
	p = page{int(min(q.Root.Num(offset), math.MaxInt32)), preset}
	if q.Root.Has(limit) {
		n := q.Root.Num(limit)
		if n > int64(most) {
			q.failf(janus.ErrInvalidType, "Invalid element type (%s should be between 0 and %d)", limit, most)
			return p, false
		}
		p.limit = int(n)
	}
	return p, true
}

func part[T any](all []T, p page) []T {
	all = all[min(p.offset, len(all)):]
	return all[:min(p.limit, len(all))]
}

// find is a text that rows or groups are to have, in lower case.
func (q *query) find() (text string, ok bool) {
	if !q.check(schema.Field{Name: "find", Type: schema.String}) {
		return "", false
	}
	text = strings.ToLower(strings.TrimSpace(q.Root.Str("find")))
	if len(text) > maxFind {
		q.failf(janus.ErrInvalidType, "Invalid element type (find should have at most %d bytes)", maxFind)
		return "", false
	}
	return text, true
}

func has(find string, texts ...string) bool {
	return find == "" || slices.ContainsFunc(texts, func(s string) bool { return strings.Contains(strings.ToLower(s), find) })
}

func (r *row) has(find string) bool {
	return find == "" || has(find, r.seat.Name, r.seat.User, r.seat.ID, r.seat.Title, r.opaque,
		strconv.FormatUint(r.session, 10), strconv.FormatUint(r.handle, 10))
}

// overview shows how the server and its clients fare: sums, the load of the shards,
// rooms, the worst connections, and recent problems.
func (a *Admin) overview(q *query) {
	if !q.check(schema.Field{Name: "after", Type: schema.Uint}) {
		return
	}
	rooms, ok := q.page("rooms_offset", "rooms", 50, maxGroups)
	if !ok {
		return
	}
	worst, ok := q.page("connections_offset", "connections", 20, maxRows)
	if !ok {
		return
	}
	find, ok := q.find()
	if !ok {
		return
	}
	s := a.survey()
	incidents, last := a.cfg.Incidents.Since(uint64(q.Root.Num("after")), maxIncidents)
	q.ok(func(w *json.Writer) {
		w.Object("overview")
		a.writeServer(w)
		s.writeSums(w)
		a.writeShards(w)
		writeGroups(w, s, find, rooms)
		troubled := s.rows
		if i := slices.IndexFunc(troubled, func(r *row) bool { return r.score == 0 }); i >= 0 {
			troubled = troubled[:i]
		}
		writeRows(w, "worst", troubled, find, worst)
		json.Objects(w, "incidents", incidents, func(i incident.Incident) { writeIncident(w, &i) })
		w.Uint("last_incident", last)
		w.End()
	})
}

// listConnections lists handles with how they fare, the worst first: all that have a
// peer connection or are somewhere, those in one room, or all that there are.
func (a *Admin) listConnections(q *query) {
	if !q.check(schema.Field{Name: "plugin", Type: schema.String}, schema.Field{Name: "kind", Type: schema.String},
		schema.Field{Name: "room", Type: schema.String}, schema.Field{Name: "idle", Type: schema.Bool}) {
		return
	}
	p, ok := q.page("offset", "limit", 50, maxRows)
	if !ok {
		return
	}
	find, ok := q.find()
	if !ok {
		return
	}
	rows := a.survey().rows
	if q.Root.Is("idle") {
		rows = append(slices.Clone(rows), a.idle(rows)...)
	}
	for name, of := range map[string]func(r *row) string{
		"plugin": func(r *row) string { return r.pkg },
		"kind":   func(r *row) string { return r.seat.Kind },
		"room":   func(r *row) string { return r.seat.ID },
	} {
		if q.Root.Has(name) {
			want := q.Root.Str(name)
			rows = slices.DeleteFunc(slices.Clone(rows), func(r *row) bool { return of(r) != want })
		}
	}
	q.ok(func(w *json.Writer) { writeRows(w, "connections", rows, find, p) })
}

// idle are the handles, and sessions without any, that are in none of the rows.
func (a *Admin) idle(rows []*row) (list []*row) {
	busy := make(map[uint64]struct{}, len(rows))
	for _, r := range rows {
		busy[r.handle] = struct{}{}
	}
	for _, s := range a.core.Sessions() {
		handles := s.Handles()
		for _, h := range handles {
			if _, is := busy[h.ID()]; !is {
				list = append(list, &row{session: s.ID(), handle: h.ID(), pkg: h.Package(), opaque: h.OpaqueID()})
			}
		}
		if len(handles) == 0 {
			list = append(list, &row{session: s.ID()})
		}
	}
	return list
}

func (a *Admin) writeServer(w *json.Writer) {
	c := a.core.Settings()
	w.Object("server")
	w.OptStr("name", c.ServerName)
	w.Int("uptime", c.Now().Sub(a.core.Started()).Milliseconds())
	w.Bool("accepting", a.core.Accepting())
	w.Int("cpu", cpuTime().Microseconds())
	memory := []metrics.Sample{{Name: "/memory/classes/total:bytes"}, {Name: "/memory/classes/heap/released:bytes"}}
	metrics.Read(memory)
	w.Uint("memory", memory[0].Value.Uint64()-memory[1].Value.Uint64())
	if c.Engine != nil {
		_, recordings := c.Engine.RecordTotals()
		w.Int("recordings", int64(recordings))
		w.Int("mixed", int64(c.Engine.Mixing().Parties))
	}
	w.End()
}

func (s *survey) writeSums(w *json.Writer) {
	w.Object("sums")
	w.Int("sessions", int64(s.sessions))
	w.Int("handles", int64(s.handles))
	w.Int("connections", int64(s.conns))
	w.Object("stages")
	for _, stage := range []sfu.Stage{sfu.StageICE, sfu.StageDTLS, sfu.StageUp, sfu.StageLost} {
		w.Int(stage.String(), int64(s.stages[stage]))
	}
	w.End()
	writeLevels(w, &s.levels)
	w.Uint("in", s.in)
	w.Uint("out", s.out)
	w.Object("kinds")
	for _, kind := range []string{"room", "mountpoint", "call", "recording"} {
		w.Int(kind, int64(s.groupsByKind[kind]))
	}
	w.End()
	w.Object("rooms")
	for _, pkg := range slices.Sorted(maps.Keys(s.roomsOf)) {
		w.Int(pkg, int64(s.roomsOf[pkg]))
	}
	w.End()
	w.End()
}

func writeLevels(w *json.Writer, levels *[numLevels]int) {
	for l := levelWarn; l < numLevels; l++ {
		w.Int(l.String(), int64(levels[l]))
	}
}

// writeShards writes counts since the start: two answers give the load between them.
func (a *Admin) writeShards(w *json.Writer) {
	w.Array("shards")
	if e := a.core.Settings().Engine; e != nil {
		for i, st := range e.Stats() {
			w.Object("")
			w.Int("id", int64(i))
			w.Uint("connections", st.Shard.Peers)
			w.Int("busy", st.Shard.Busy.Microseconds())
			w.Uint("passes", st.Shard.Passes)
			w.Uint("packets_in", st.Net.DatagramsIn)
			w.Uint("packets_out", st.Net.DatagramsOut)
			w.Uint("bytes_in", st.Net.BytesIn)
			w.Uint("bytes_out", st.Net.BytesOut)
			w.Uint("lost_in", st.Net.KernelDrops)
			w.Uint("lost_out", st.Net.SendDrops)
			w.End()
		}
	}
	w.EndArray()
}

func writeGroups(w *json.Writer, s *survey, find string, p page) {
	groups := s.groups
	if find != "" {
		groups = slices.DeleteFunc(slices.Clone(groups), func(g *group) bool {
			return !has(find, g.id, g.title)
		})
	}
	w.Object("groups")
	w.Int("total", int64(len(groups)))
	w.Array("list")
	for _, g := range part(groups, p) {
		w.Object("")
		w.Str("plugin", g.pkg)
		w.Str("kind", g.kind)
		w.Str("room", g.id)
		w.OptStr("title", g.title)
		w.OptStr("call_state", g.state)
		w.Int("handles", int64(g.handles))
		w.Int("connections", int64(g.conns))
		w.Int("publishers", int64(g.sending))
		w.Uint("in", g.in)
		w.Uint("out", g.out)
		writeLevels(w, &g.levels)
		if g.worst != nil {
			w.Str("level", g.worst.level.String())
			w.OptStr("who", g.worst.seat.Name)
			w.Str("why", g.worst.why[0])
		} else {
			w.Str("level", levelOK.String())
		}
		w.End()
	}
	w.EndArray()
	w.End()
}

// writeRows writes a part of those rows that have a text.
func writeRows(w *json.Writer, name string, rows []*row, find string, p page) {
	if find != "" {
		rows = slices.DeleteFunc(slices.Clone(rows), func(r *row) bool { return !r.has(find) })
	}
	w.Object(name)
	w.Int("total", int64(len(rows)))
	json.Objects(w, "list", part(rows, p), func(r *row) { r.write(w) })
	w.End()
}

// write writes a row: rates in bit/s, losses in percent, times in ms.
func (r *row) write(w *json.Writer) {
	w.Uint("session_id", r.session)
	w.OptUint("handle_id", r.handle)
	w.OptStr("plugin", r.pkg)
	w.OptStr("opaque_id", r.opaque)
	w.OptStr("kind", r.seat.Kind)
	w.OptStr("room", r.seat.ID)
	w.OptStr("title", r.seat.Title)
	w.OptStr("role", r.seat.Role)
	w.OptStr("user", r.seat.User)
	w.OptStr("name", r.seat.Name)
	w.OptStr("call_state", r.seat.State)
	if !r.connected {
		w.Str("state", "none")
		return
	}
	v := &r.v
	if v.Closed {
		w.Str("state", "closed")
	} else {
		w.Str("state", v.Stage.String())
	}
	w.Int("age", v.Age.Milliseconds())
	w.Int("shard", int64(r.shard))
	w.Str("level", r.level.String())
	w.Array("why")
	for _, text := range r.why {
		w.Str("", text)
	}
	w.EndArray()
	w.Uint("in", 8*uint64(v.BytesIn))
	w.Uint("out", 8*uint64(v.BytesOut))
	w.Float("loss_in", math.Round(1000*v.LossIn)/10)
	w.Float("loss_out", math.Round(1000*v.LossOut)/10)
	w.Int("rtt", janus.Milliseconds(v.RTT))
	w.Int("jitter", janus.Milliseconds(v.Jitter))
	if v.Videos > 0 {
		w.Int("videos", int64(v.Videos))
		w.Int("paused", int64(v.Paused))
		w.Int("limited", int64(v.Limited))
	}
	if v.Estimate > 0 {
		w.Uint("estimate", v.Estimate)
		w.Str("limit", v.Limit.String())
	}
}

func writeIncident(w *json.Writer, i *incident.Incident) {
	w.Uint("id", i.ID)
	w.Int("first", i.First.UnixMilli())
	w.Int("last", i.Last.UnixMilli())
	w.Int("count", int64(i.Count))
	w.Bool("severe", i.Severe)
	w.Str("text", i.Text)
	w.OptStr("detail", i.Detail)
	w.OptStr("remedy", i.Remedy)
	w.OptUint("session_id", i.Session)
	w.OptUint("handle_id", i.Handle)
}
