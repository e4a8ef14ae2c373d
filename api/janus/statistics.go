package janus

import (
	"time"

	"bifrons/api/json"
	"bifrons/api/signalling"
	"bifrons/api/task"
	"bifrons/sfu"
	"bifrons/sfu/media"
)

// statusPeriod is the time between events about the server as a whole.
const statusPeriod = 15 * time.Second

// NotifyStarted informs event handlers that the server is up.
func (c *Core) NotifyStarted() {
	c.notify(Notification{Type: NotifyCore, Subtype: SubCoreStatus}, func(w *json.Writer) {
		w.Str("status", "started")
		w.Raw("info", c.ServerInfo(""))
	})
}

// NotifyShutdown informs event handlers that the server ends, because of a signal.
func (c *Core) NotifyShutdown(signal int) {
	c.notify(Notification{Type: NotifyCore, Subtype: SubCoreShutdown}, func(w *json.Writer) {
		w.Str("status", "shutdown")
		w.Int("signum", int64(signal))
	})
}

// Count is the number of sessions, of handles, and of handles with a peer
// connection.
func (c *Core) Count() (sessions, handles, connections int) {
	for _, s := range c.Sessions() {
		sessions++
		for _, h := range s.Handles() {
			handles++
			if h.Peer() != nil {
				connections++
			}
		}
	}
	return sessions, handles, connections
}

// every calls f again and again until the Core is closed.
func (c *Core) every(period time.Duration, f func()) {
	t := time.NewTicker(period)
	defer t.Stop()
	for {
		select {
		case <-t.C:
			c.guarded(f)
		case <-c.stop:
			return
		}
	}
}

// guarded runs f, of which a panic costs this one time.
func (c *Core) guarded(f func()) {
	defer task.Contain(c.log, "a task of the core", nil)
	f()
}

// notifyUpdate informs event handlers of the load.
func (c *Core) notifyUpdate() {
	c.notify(Notification{Type: NotifyCore, Subtype: SubCoreStatus}, func(w *json.Writer) {
		sessions, handles, connections := c.Count()
		w.Str("status", "update")
		w.Object("info")
		w.Int("sessions", int64(sessions))
		w.Int("handles", int64(handles))
		w.Int("peerconnections", int64(connections))
		w.Int("stats-period", int64(c.cfg.StatsPeriod/time.Second))
		w.End()
	})
}

// notifyStatistics informs event handlers of the figures of all connections.
func (c *Core) notifyStatistics() {
	c.every(c.cfg.StatsPeriod, func() {
		if !c.Notifies(NotifyMedia) {
			return
		}
		for _, s := range c.Sessions() {
			for _, h := range s.Handles() {
				if conn := h.endpoint.Established(); conn != nil {
					h.notifyStatistics(conn)
				}
			}
		}
	})
}

// notifyStatistics informs event handlers of a connection's figures: in an event for
// each medium and encoding, or all in one.
func (h *Handle) notifyStatistics(c *signalling.Connection) {
	cfg := &h.core.cfg
	if cfg.StatsPeriod <= 0 || !h.core.Notifies(NotifyMedia) {
		return
	}
	snapshot := c.Peer().Snapshot()
	var all [][]byte
	for i := range snapshot.Sections {
		all = append(all, statistics(c, &snapshot, i)...)
	}
	if len(all) == 0 {
		return
	}
	if cfg.CombineStats {
		w := json.NewWriter(nil)
		w.Array("")
		for _, one := range all {
			w.Raw("", one)
		}
		w.EndArray()
		all = [][]byte{w.Bytes()}
	}
	for _, event := range all {
		h.core.NotifyRaw(Notification{
			Type: NotifyMedia, Subtype: SubStatistics,
			Session: h.session.id, Handle: h.id, OpaqueID: h.opaqueID, Event: event,
		})
	}
}

// statistics are those of a section, one for each encoding that came.
func statistics(c *signalling.Connection, p *sfu.Snapshot, index int) (list [][]byte) {
	s := &p.Sections[index]
	codec := "" // before the first packet
	if s.Codec.ClockRate != 0 {
		codec = c.Codec(s.Index, s.Codec.PayloadType)
	}
	names := [media.MaxEncodings]string{s.Kind.String(), "video-sim1", "video-sim2"}
	for i, name := range names {
		if i > 0 && s.Received[i].SSRC == 0 {
			continue
		}
		w := json.NewWriter(make([]byte, 0, 512))
		w.Object("")
		w.Str("mid", s.MID)
		w.Int("mindex", int64(s.Index))
		w.Str("media", name)
		if s.Kind == media.Data {
			in, out := p.DTLS.DataIn, p.DTLS.DataOut
			writeTraffic(w, in.Packets, out.Packets, in.Bytes, out.Bytes)
		} else {
			w.OptStr("codec", codec)
			writeStatistics(w, s, i)
			if s.Index == 0 && i == 0 && p.REMB > 0 {
				w.Uint("remb-bitrate", p.REMB)
			}
		}
		w.End()
		list = append(list, w.Bytes())
	}
	return list
}

func writeTraffic(w *json.Writer, packetsIn, packetsOut, bytesIn, bytesOut uint64) {
	w.Uint("packets-received", packetsIn)
	w.Uint("packets-sent", packetsOut)
	w.Uint("bytes-received", bytesIn)
	w.Uint("bytes-sent", bytesOut)
}

// writeStatistics writes the figures of one received encoding, and with the
// first those of the sent media.
func writeStatistics(w *json.Writer, s *sfu.SectionSnapshot, i int) {
	in, out := s.Received[i], sfu.Sent{Link: 100, Media: 100}
	if in.SSRC == 0 {
		in.Link, in.Media = 100, 100
	}
	if i == 0 {
		out = s.Sent
	}
	w.Uint("base", uint64(s.Rate()))
	if i == 0 {
		w.Int("rtt", Milliseconds(out.RTT))
		if out.RTT > 0 {
			w.Object("rtt-values")
			w.Uint("ntp", uint64(out.RTTOf.Arrival))
			w.Uint("lsr", uint64(out.RTTOf.LSR))
			w.Uint("dlsr", uint64(out.RTTOf.DLSR))
			w.End()
		}
	}
	w.Int("lost", int64(in.Lost))
	w.Int("lost-by-remote", int64(out.Lost))
	w.Int("jitter-local", Milliseconds(in.Jitter))
	w.Int("jitter-remote", Milliseconds(out.Jitter))
	w.Int("in-link-quality", int64(in.Link))
	w.Int("in-media-link-quality", int64(in.Media))
	w.Int("out-link-quality", int64(out.Link))
	w.Int("out-media-link-quality", int64(out.Media))
	writeTraffic(w, in.Packets, out.Packets, in.Bytes, out.Bytes)
	w.Int("bytes-received-lastsec", int64(in.BytesLastSecond))
	w.Int("bytes-sent-lastsec", int64(out.BytesLastSecond))
	w.Uint("nacks-received", out.NACKs)
	w.Uint("nacks-sent", in.NACKs)
	w.Uint("retransmissions-received", in.Retransmissions)
}

// Milliseconds rounds times below one up, so that they do not look
// like nothing.
func Milliseconds(d time.Duration) int64 {
	if d > 0 && d < time.Millisecond {
		return 1
	}
	return d.Milliseconds()
}
