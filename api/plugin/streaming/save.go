package streaming

import (
	"errors"
	"strconv"

	"bifrons/api/config"
	"bifrons/sdp"
)

// errGone is the failure to save a mountpoint that was destroyed meanwhile.
var errGone = errors.New("streaming: the mountpoint was destroyed")

// saved writes a mountpoint to the file, or takes it out, and tells whether that
// worked; a failure is logged only.
func (p *Plugin) saved(m *mountpoint, keep bool) bool {
	var err error
	if keep {
		err = p.store.Put(m.entry, m.category, m.name, "mp-"+m.id, "mountpoint")
	} else {
		err = p.store.Remove(m.entry)
	}
	if err != nil {
		p.gw.Logger().Error("mountpoint not saved", "mountpoint", m.id, "error", err)
	}
	return err == nil
}

// The two kinds of keys of entries in the file.
func entryOfID(id string) string     { return "id " + id }
func entryOfName(name string) string { return "name " + name }

// entry is the key of the mountpoint that a category is: its id or, if it has
// none, its name; "" if it is none.
func (p *Plugin) entry(c *config.Group) string {
	id, given := config.NewReader(c).Text("id")
	switch {
	case config.IsGeneral(c):
		return ""
	case !given:
		return entryOfName(c.Name)
	case p.ids.Canonical(id):
		return entryOfID(id)
	}
	return ""
}

// category is what a category of that name has of a mountpoint.
func (m *mountpoint) category(name string) (*config.Group, error) {
	m.plugin.mu.Lock()
	defer m.plugin.mu.Unlock()
	if m.destroyed {
		return nil, errGone
	}
	g := m.group()
	if name != m.name {
		g.Set("name", m.name)
	}
	return g, nil
}

// group is the settings as the file has them. p.mu is held.
func (m *mountpoint) group() *config.Group {
	g := new(config.Group)
	g.Set("type", m.kind)
	if m.entry == entryOfID(m.id) {
		g.Set("id", m.id)
	}
	g.Set("description", m.description)
	setText(g, "metadata", m.metadata)
	setFlag(g, "is_private", m.hidden)
	setText(g, "secret", m.secret)
	setText(g, "pin", m.pin)
	switch m.kind {
	case typeLive, typeOnDemand:
		m.groupFile(g)
	case typeRTP:
		m.groupBroadcast(g)
		list := make([]*config.Group, len(m.streams))
		for i := range m.streams {
			list[i] = m.streams[i].group()
		}
		g.SetList("media", list...)
	case typeRTSP:
		m.groupBroadcast(g)
		m.groupRTSP(g)
	}
	return g
}

func (m *mountpoint) groupBroadcast(g *config.Group) {
	setInt(g, "collision", int64(m.collision))
	setInt(g, "bufferkf_ms", int64(m.bufferTime))
	setInt(g, "bufferkf_bytes", m.bufferBytes)
	setInt(g, "threads", int64(m.threads))
	setInt(g, "srtpsuite", int64(m.srtpSuite))
	setText(g, "srtpcrypto", m.srtpCrypto)
	setFlag(g, "e2ee", m.e2ee)
	setFlag(g, "playoutdelay_ext", m.playoutDelay)
	setInt(g, "abscapturetime_src_ext_id", int64(m.captureTimeID))
}

func (m *mountpoint) groupFile(g *config.Group) {
	st := &m.streams[0]
	g.Set("filename", m.filename)
	setFlag(g, "audio", true)
	g.Set("video", "false")
	g.Set("audiopt", strconv.Itoa(int(st.format.PT)))
	setText(g, "audiocodec", st.codecName)
	setText(g, "audiortpmap", st.rtpmap)
	setText(g, "audiofmtp", st.format.Fmtp)
}

func (m *mountpoint) groupRTSP(g *config.Group) {
	r := &m.rtsp
	g.Set("url", r.URL)
	setText(g, "rtsp_user", r.User)
	setText(g, "rtsp_pwd", r.Password)
	setText(g, "rtspiface", r.iface)
	setFlag(g, "rtsp_quirk", r.Quirk)
	g.Set("rtsp_failcheck", strconv.FormatBool(r.check))
	setFlag(g, "rtsp_notify_changes", r.notify)
	g.Set("rtsp_reconnect_delay", strconv.Itoa(int(r.Reconnect.Seconds())))
	setInt(g, "rtsp_session_timeout", int64(r.SessionTimeout.Seconds()))
	g.Set("rtsp_timeout", strconv.Itoa(int(r.Timeout.Seconds())))
	g.Set("rtsp_conn_timeout", strconv.Itoa(int(r.ConnectTimeout.Seconds())))
	for i := range m.streams {
		st := &m.streams[i]
		kind := kindName(st.kind)
		setFlag(g, kind, true)
		if st.ptSet {
			g.Set(kind+"pt", strconv.Itoa(int(st.format.PT)))
		}
		setText(g, kind+"fmtp", st.ownFmtp)
	}
}

func (st *streamSettings) group() *config.Group {
	g := new(config.Group)
	g.Set("type", kindName(st.kind))
	g.Set("mid", st.mid)
	g.Set("label", st.label)
	setText(g, "msid", st.msid)
	setText(g, "mcast", st.multicast)
	setText(g, "iface", st.iface)
	g.Set("port", strconv.Itoa(st.port))
	if st.kind == sdp.Application {
		g.Set("datatype", st.dataType())
		setFlag(g, "buffermsg", st.buffer)
		return g
	}
	if st.rtcp {
		g.Set("rtcpport", strconv.Itoa(st.rtcpPort))
	}
	g.Set("pt", strconv.Itoa(int(st.format.PT)))
	setText(g, "codec", st.codecName)
	setText(g, "rtpmap", st.rtpmap)
	setText(g, "fmtp", st.format.Fmtp)
	setFlag(g, "skew", st.skew)
	setFlag(g, "simulcast", st.simulcast)
	setInt(g, "port2", int64(st.port2))
	setInt(g, "port3", int64(st.port3))
	setFlag(g, "svc", st.svc)
	setText(g, "h264sps", st.sps)
	return g
}

func setText(g *config.Group, key, text string) {
	if text != "" {
		g.Set(key, text)
	}
}

func setInt(g *config.Group, key string, n int64) {
	if n != 0 {
		g.Set(key, strconv.FormatInt(n, 10))
	}
}

func setFlag(g *config.Group, key string, on bool) {
	if on {
		g.Set(key, "true")
	}
}
