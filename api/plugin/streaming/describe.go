package streaming

import (
	"time"

	"bifrons/api/json"
	"bifrons/api/kit"
	"bifrons/api/plugin"
	"bifrons/api/schema"
	"bifrons/sdp"
)

// ages is how long ago each stream's last packet came, or the mountpoint was made,
// nil for files. It asks the engine, and is called without the lock.
func (m *mountpoint) ages() []time.Duration {
	if !m.live() {
		return nil
	}
	m.Lock()
	list := make([]time.Duration, len(m.streams))
	m.Unlock()
	for i := range list {
		age, ok := m.src.Age(i)
		if !ok {
			age = time.Since(m.created)
		}
		list[i] = age
	}
	return list
}

// list describes the mountpoints.
func (p *Plugin) list(_ *handle, r *kit.Request, w *json.Writer) (kit.Response, *schema.Error) {
	private := r.Body.Str("admin_key") != "" && p.general.AdminKey != ""
	if private {
		if err := authorize(r.Body, "admin_key", p.general.AdminKey); err != nil {
			return kit.Response{}, err
		}
	}
	list := p.mountpoints.Sorted()
	ages := make([][]time.Duration, len(list))
	for i, m := range list {
		ages[i] = m.ages()
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	w.Str("streaming", "list")
	w.Array("list")
	for i, m := range list {
		if !m.Gone && (private || !m.Hidden) {
			w.Object("")
			m.summarise(w, ages[i])
			w.End()
		}
	}
	w.EndArray()
	return kit.Response{}, nil
}

// summarise writes the mountpoint's entry in the list. The lock is held.
func (m *mountpoint) summarise(w *json.Writer, ages []time.Duration) {
	m.plugin.ids.Write(w, "id", m.id)
	w.Str("type", m.typeName())
	m.common(false).Write(w)
	w.Bool("enabled", m.enabled)
	if ages == nil {
		return
	}
	w.Array("media")
	for i := range m.streams {
		st := &m.streams[i]
		w.Object("")
		w.Str("mid", st.mid)
		w.Str("type", plugin.KindName(st.kind))
		w.Str("label", st.label)
		w.OptStr("msid", st.msid)
		w.Int("age_ms", ages[i].Milliseconds())
		w.End()
	}
	w.EndArray()
}

// info describes one mountpoint.
func (p *Plugin) info(_ *handle, r *kit.Request, w *json.Writer) (kit.Response, *schema.Error) {
	m, err := p.mountpoints.Find(r.Body)
	if err == nil {
		err = check(typed(schema.String, "secret"), r.Body)
	}
	if err != nil {
		return kit.Response{}, err
	}
	ages := m.ages()
	m.Lock()
	defer m.Unlock()
	w.Str("streaming", "info")
	w.Object("info")
	m.describe(w, ages, authorize(r.Body, "secret", m.Secret) == nil)
	w.End()
	return kit.Response{}, nil
}

// describe writes the answer of info, some of it for administrators only. The lock is
// held.
func (m *mountpoint) describe(w *json.Writer, ages []time.Duration, admin bool) {
	m.plugin.ids.Write(w, "id", m.id)
	m.common(admin).Write(w)
	w.Bool("enabled", m.enabled)
	if admin {
		w.Int("viewers", int64(len(m.viewers)))
	}
	w.Str("type", m.typeName())
	w.Array("media")
	for i := range m.streams {
		w.Object("")
		if ages == nil {
			w.Str("type", plugin.KindName(m.streams[i].kind))
			m.streams[i].describeFormat(w)
		} else {
			m.streams[i].describe(w, i, ages[i], admin)
			if admin {
				w.OptStr("recording", m.recordings.File(i))
			}
		}
		w.End()
	}
	w.EndArray()
	if !m.live() {
		m.file(admin).Write(w)
		return
	}
	if m.kind == typeRTSP {
		w.Bool("rtsp", true)
		m.camera(admin).Write(w)
	}
	w.OptTrue("srtp", m.srtpSuite != 0 && m.srtpCrypto != "")
	m.broadcast().Write(w)
	for i := len(m.streams) - 1; admin && i >= 0; i-- {
		if m.streams[i].host != "" {
			w.Str("host", m.streams[i].host)
			break
		}
	}
}

func (st *streamSettings) describeFormat(w *json.Writer) {
	w.Int("pt", int64(st.format.PT))
	if st.format.ID != "" {
		w.Str("codec", st.format.ID)
		w.Str("rtpmap", st.format.RTPMap())
	}
	w.OptStr("fmtp", st.format.Fmtp)
}

func (st *streamSettings) describe(w *json.Writer, index int, age time.Duration, admin bool) {
	w.Int("mindex", int64(index))
	w.Str("type", plugin.KindName(st.kind))
	w.Str("mid", st.mid)
	w.Str("label", st.label)
	w.OptStr("msid", st.msid)
	if st.kind == sdp.Application {
		w.Str("datatype", st.dataType)
	} else {
		st.describeFormat(w)
	}
	w.OptTrue("videosimulcast", st.simulcast)
	w.OptTrue("videosvc", st.svc)
	w.OptTrue("skew_compensation", st.skew)
	if admin {
		w.Int("port", int64(st.port))
		if st.rtcpPort >= 0 {
			w.Int("rtcpport", int64(st.rtcpPort))
		}
		w.OptUint("port2", uint64(st.port2))
		w.OptUint("port3", uint64(st.port3))
	}
	w.Int("age_ms", age.Milliseconds())
}

// describeCreated writes the reply to create.
func (m *mountpoint) describeCreated(w *json.Writer) {
	m.plugin.ids.Write(w, "id", m.id)
	w.Str("type", m.typeName())
	w.Str("description", m.description)
	w.Bool("is_private", m.Hidden)
	switch {
	case m.kind != typeRTP:
	case m.legacy:
		for i := range m.streams {
			st := &m.streams[i]
			st.writePorts(w, plugin.KindName(st.kind)+"_")
		}
	default:
		w.Array("ports")
		for i := range m.streams {
			st := &m.streams[i]
			w.Object("")
			w.Str("type", plugin.KindName(st.kind))
			w.Str("mid", st.mid)
			w.OptStr("msid", st.msid)
			st.writePorts(w, "")
			w.End()
		}
		w.EndArray()
	}
}

// writePorts writes where a stream is sent to, in the old style with a prefix.
func (st *streamSettings) writePorts(w *json.Writer, prefix string) {
	w.OptStr(prefix+"host", st.host)
	w.Int(prefix+"port", int64(st.port))
	if st.rtcpPort >= 0 && st.kind != sdp.Application {
		w.Int(prefix+"rtcp_port", int64(st.rtcpPort))
	}
	if st.simulcast {
		w.Int(prefix+"port_2", int64(st.port2))
		w.Int(prefix+"port_3", int64(st.port3))
	}
}
