package admin

import (
	"bifrons/api/janus"
	"bifrons/api/json"
	"bifrons/api/schema"
	"bifrons/sdp"
	"bifrons/sfu"
	"bifrons/sfu/media"
)

func (a *Admin) handleInfo(q *query) {
	if !q.check(schema.Field{Name: "plugin_only", Type: schema.Bool}) {
		return
	}
	only := q.Root.Is("plugin_only")
	q.ok(func(w *json.Writer) {
		w.Uint("handle_id", q.HandleID)
		w.Object("info")
		a.writeHandle(w, q.session, q.handle)
		if !only {
			v := view{admin: a, d: q.handle.Describe()}
			if v.d.Peer != nil {
				v.s = v.d.Peer.Snapshot()
			}
			v.writeConnection(w, q.handle)
		}
		w.End()
	})
}

func (a *Admin) writeHandle(w *json.Writer, s *janus.Session, h *janus.Handle) {
	w.Uint("session_id", s.ID())
	w.Int("session_last_activity", a.micros(s.LastActivity()))
	w.Int("session_timeout", seconds(s.Timeout()))
	if conn := s.Conn(); conn != nil {
		w.Str("session_transport", conn.Transport())
	}
	w.Uint("handle_id", h.ID())
	w.OptStr("opaque_id", h.OpaqueID())
	w.OptStr("token", h.Token())
	w.Bool("loop-running", true)
	w.Int("created", a.micros(h.Created()))
	w.Int("current_time", a.micros(a.core.Settings().Now()))
	w.Str("plugin", h.Package())
	w.Object("plugin_specific")
	h.Query(w)
	w.End()
}

// view is a handle's connection as the signalling and the engine see it.
type view struct {
	admin *Admin
	d     janus.Description
	s     sfu.Snapshot // zero without peer connection
}

// time writes a moment of the media clock unless it has not come.
func (v *view) time(w *json.Writer, name string, t sfu.Time) {
	if t != 0 {
		w.Int(name, v.admin.micros(t.Wall()))
	}
}

func (v *view) writeConnection(w *json.Writer, h *janus.Handle) {
	v.writeFlags(w)
	d := &v.d
	if d.Peer != nil {
		w.Int("agent-created", v.admin.micros(d.Created))
		if v.iceState() != "gathering" {
			w.Int("agent-started", v.admin.micros(d.Started))
		}
		w.Str("ice-mode", choose(v.s.ICE.Lite, "lite", "full"))
		w.Str("ice-role", choose(v.s.ICE.Controlling, "controlling", "controlled"))
	}
	w.Object("sdps")
	w.OptStr("profile", d.Profile)
	w.OptStr("local", d.Local)
	w.OptStr("remote", d.Remote)
	w.End()
	if d.EarlyCandidates > 0 {
		w.Int("pending-trickles", int64(d.EarlyCandidates))
	}
	w.Int("queued-packets", 0) // nothing is queued for sending
	if f := h.Capture(); f != nil {
		name := choose(f.Format() == sfu.CapturePCAP, "pcap", "text2pcap")
		w.Bool("dump-to-"+name, true)
		w.Str(name+"-file", f.Path())
	}
	if d.Peer != nil {
		w.Object("webrtc")
		v.writeICE(w)
		v.writeDTLS(w)
		v.writeExtensions(w)
		w.Object("bwe")
		w.Bool("twcc", v.s.TransportCC)
		if v.s.TransportSequence != 0 {
			w.Int("twcc-ext-id", int64(v.s.TransportSequence))
		}
		if l := v.s.Line; l != nil {
			writeLine(w, l)
		}
		w.End()
		if n := v.s.Counters.Oversize; n > 0 {
			w.Uint("too-large", n)
		}
		v.writeMedia(w)
		w.End()
	}
}

// writeLine writes the state of the line to the remote: rates in bit/s, times in ms.
func writeLine(w *json.Writer, l *sfu.Line) {
	w.Str("feedback", l.Feedback.String())
	w.Uint("estimate", l.Target)
	w.Str("reason", l.Reason.String())
	w.OptUint("wanted", l.Want)
	w.OptUint("probing", l.Probing)
	w.OptUint("acked", l.Acked)
	w.OptUint("capacity", l.Capacity)
	w.Int("rtt", l.RTT.Milliseconds())
	w.Int("queue", l.Queue.Milliseconds())
	w.Float("lost", l.Lost)
	writeTraffic(w, "probes", l.Probed)
	w.Uint("clusters", l.Counts.Probes)
	w.Uint("useful-clusters", l.Counts.Useful)
	w.Uint("paced", l.Paced)
	w.Uint("outages", l.Counts.Outages)
	w.Uint("unmatched", l.Counts.NeverSent+l.Counts.TooOld+l.Counts.Repeated)
}

// writeShare writes a section's share of the line.
func writeShare(w *json.Writer, s *sfu.Share, now media.Layer) {
	w.Object("bwe")
	writeLayer(w, "ceiling", s.Ceiling)
	writeLayer(w, "layer", now)
	w.Uint("bitrate", s.Rate)
	w.Int("priority", int64(s.Priority))
	w.OptUint("max_bitrate", s.Max)
	w.Bool("paused", s.Paused)
	w.Uint("pauses", s.Pauses)
	w.Uint("switches", s.Switches)
	w.End()
}

func writeLayer(w *json.Writer, name string, l media.Layer) {
	w.Object(name)
	w.Int("substream", int64(l.Encoding))
	w.Int("spatial", int64(l.Spatial))
	w.Int("temporal", int64(l.Temporal))
	w.End()
}

// writeLayers writes which layers of a video are wanted and sent, and why no others.
func writeLayers(w *json.Writer, s *sfu.SectionSnapshot, l *sfu.Line) {
	w.Object("layers")
	writeLayer(w, "wanted", s.Target)
	writeLayer(w, "sent", s.Layer)
	w.Str("why", whyLayer(s, l))
	w.End()
}

func choose(cond bool, yes, no string) string {
	if cond {
		return yes
	}
	return no
}

func (v *view) writeFlags(w *json.Writer) {
	d := &v.d
	data, rtx, sctpPort := false, false, false
	for i := range d.Sections {
		s := &d.Sections[i]
		data = data || s.Data != sdp.DataNone
		sctpPort = sctpPort || s.Data == sdp.SCTPPort
		for k := range s.Codecs {
			rtx = rtx || s.Codecs[k].RTX != 0
		}
	}
	w.Object("flags")
	w.Bool("got-offer", d.GotOffer)
	w.Bool("got-answer", d.GotAnswer)
	w.Bool("negotiated", d.GotAnswer)
	w.Bool("processing-offer", d.Processing)
	w.Bool("starting", !d.Started.IsZero() && !d.Up)
	w.Bool("ice-restart", d.Restarting)
	w.Bool("ready", d.Up)
	w.Bool("stopped", d.Closing)
	w.Bool("alert", d.Peer == nil || d.Closing)
	w.Bool("trickle", d.Trickle)
	w.Bool("all-trickles", d.Complete)
	w.Bool("resend-trickles", false)
	w.Bool("trickle-synced", d.Trickled)
	w.Bool("data-channels", data)
	w.Bool("has-audio", false) // of old versions
	w.Bool("has-video", false)
	w.Bool("new-datachan-sdp", sctpPort)
	w.Bool("rfc4588-rtx", rtx)
	w.Bool("cleaning", d.Closing)
	w.Bool("e2ee", d.Encrypted)
	w.End()
}

// iceState is the state in the words of Janus.
func (v *view) iceState() string {
	switch i := &v.s.ICE; i.State {
	case sfu.ICENew:
		return "gathering"
	case sfu.ICEChecking:
		return choose(len(i.Remote) > 0, "connecting", "gathering")
	case sfu.ICEConnected:
		return "connected"
	case sfu.ICECompleted:
		return "ready"
	case sfu.ICEFailed:
		return "failed"
	}
	return "disconnected"
}

func (v *view) writeICE(w *json.Writer) {
	i := &v.s.ICE
	state := v.iceState()
	w.Object("ice")
	w.Int("stream_id", 1)
	if state == "gathering" {
		w.Int("component_id", 0)
	} else {
		w.Int("component_id", 1)
	}
	w.Str("state", state)
	if i.Failed != 0 {
		v.time(w, "failed-detected", i.Failed)
		w.Str("failed-cause", i.Cause.String())
		w.Bool("icetimer-started", true)
	}
	v.time(w, "gathered", i.Gathered)
	v.time(w, "connected", i.Connected)
	writeCandidates(w, "local-candidates", v.d.Peer.Candidates())
	writeCandidates(w, "remote-candidates", i.Remote)
	if i.Selected {
		w.Str("selected-pair", janus.PairText(&i.SelectedLocal, &i.SelectedRemote))
	}
	if i.Gathered != 0 {
		w.Int("ready", 1)
	} else {
		w.Int("ready", 0)
	}
	w.End()
}

func writeCandidates(w *json.Writer, name string, list []sfu.Candidate) {
	if len(list) == 0 {
		return
	}
	w.Array(name)
	for _, c := range list {
		w.Str("", c.String())
	}
	w.EndArray()
}

func (v *view) writeDTLS(w *json.Writer) {
	d := &v.s.DTLS
	if d.Unsecured {
		return
	}
	connected := d.State == sfu.DTLSConnected
	w.Object("dtls")
	if own, err := v.d.Peer.Certificate().Fingerprint("sha-256"); err == nil {
		w.Str("fingerprint", own.Value)
	}
	role := "actpass"
	if d.Remote.Hash != "" {
		w.Str("remote-fingerprint", d.Remote.Value)
		w.Str("remote-fingerprint-hash", d.Remote.Hash)
		role = choose(d.Role == sfu.DTLSClient, "active", "passive")
	}
	w.Str("dtls-role", role)
	w.Str("dtls-state", janus.DTLSState(d.State))
	w.Int("retransmissions", int64(d.Resent))
	w.Bool("valid", connected)
	w.Str("srtp-profile", profileName(d))
	w.Bool("ready", connected)
	v.time(w, "handshake-started", d.Started)
	v.time(w, "connected", d.Connected)
	w.Bool("sctp-association", d.Data)
	c := &v.s.Counters
	w.Object("stats")
	writeTraffic(w, "in", c.DTLSIn)
	writeTraffic(w, "out", c.DTLSOut)
	w.End()
	w.End()
}

func writeTraffic(w *json.Writer, name string, t sfu.Traffic) {
	w.Object(name)
	w.Uint("packets", t.Packets)
	w.Uint("bytes", t.Bytes)
	w.End()
}
