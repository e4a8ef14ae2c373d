package streaming

import (
	"slices"

	"bifrons/api/json"
	"bifrons/api/plugin/streaming/format"
	"bifrons/api/plugin/streaming/rtsp"
	"bifrons/api/schema"
	"bifrons/sfu"
)

// camera feeds a mountpoint of the type rtsp.
type camera struct {
	*rtsp.Camera
	m *mountpoint
}

// openRTSP connects to the server, if that is a condition, and goes on doing so.
func (m *mountpoint) openRTSP() *schema.Error {
	c := &camera{m: m}
	cfg := rtsp.Config{
		Settings: m.rtsp, PortMin: m.plugin.general.Ports.Min, PortMax: m.plugin.general.Ports.Max,
		Source: m.src, Handler: c, Log: m.plugin.Gateway.Logger().With("mountpoint", m.id),
	}
	for i := range m.streams {
		cfg.Kinds = append(cfg.Kinds, m.streams[i].kind)
	}
	var err error
	if c.Camera, err = rtsp.Open(m.plugin.ctx, cfg, m.rtspCheck); err != nil {
		return m.cant("%v", err)
	}
	m.work = c
	return nil
}

// Hold needs nothing: the source keeps media back.
func (c *camera) Hold(bool) {}

// Stop implements worker.
func (c *camera) Stop() { c.Close() }

// Found applies the server's description of its streams.
func (c *camera) Found(found []*format.Format) {
	m := c.m
	list := slices.Clone(m.streams) // only we change them
	for i, f := range found {
		if f != nil {
			list[i].take(f)
		}
	}
	separate(list)
	m.src.SetTracks(m.setTracks(list))
	m.src.Restart()
}

// setTracks replaces the streams, and returns them as the engine has them.
func (m *mountpoint) setTracks(list []streamSettings) []sfu.TrackConfig {
	m.Lock()
	defer m.Unlock()
	m.streams = list
	m.reformatted()
	return m.tracks()
}

// Lost implements rtsp.Handler.
func (c *camera) Lost() { c.tell("rtsp-disconnected") }

// Back implements rtsp.Handler.
func (c *camera) Back() { c.tell("rtsp-reconnected") }

// tell informs the event handlers and, if they want, the viewers.
func (c *camera) tell(event string) {
	m, p := c.m, c.m.plugin
	p.notify(p.Nobody(), event, m.id)
	if !m.rtspTell {
		return
	}
	m.Lock()
	defer m.Unlock()
	m.tell(func(w *json.Writer) {
		w.Str("event", event)
		p.ids.Write(w, "id", m.id)
	})
}

// take applies the server's description of a stream, where the settings do not say
// otherwise.
func (st *streamSettings) take(from *format.Format) {
	st.format = *from
	if st.pt >= 0 {
		st.format.PT = uint8(st.pt)
	}
	if st.fmtp != "" {
		st.format.Fmtp = st.fmtp
	}
	st.sps, _ = from.Parameter("sprop-parameter-sets")
}

// separate gives streams with one payload type for two formats another one, which is
// fine for a server, but not in one description for browsers (RFC 9143, 10.1.1).
func separate(list []streamSettings) {
	used := make(map[uint8]bool)
	for i := len(list) - 1; i >= 0; i-- {
		st := &list[i]
		for pt := uint8(96); used[st.format.PT] && st.pt < 0 && st.format.ID != "" && pt <= 127; pt++ {
			if !used[pt] {
				st.format.PT = pt
			}
		}
		used[st.format.PT] = true
	}
}
