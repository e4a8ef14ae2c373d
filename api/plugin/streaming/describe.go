package streaming

import (
	"time"

	"bifrons/api/json"
	"bifrons/api/kit"
	"bifrons/api/schema"
	"bifrons/sdp"
)

// ages is how long ago each stream's last packet came, or the mountpoint was
// made. It asks the engine, and is called without the lock.
func (m *mountpoint) ages(streams int) []time.Duration {
	if !m.live() {
		return nil
	}
	list := make([]time.Duration, streams)
	for i := range list {
		age, ok := m.src.Age(i)
		if !ok {
			age = time.Since(m.created)
		}
		list[i] = age
	}
	return list
}

// listRequest describes the mountpoints.
func (p *Plugin) listRequest(r *kit.Request, w *json.Writer) (kit.Response, *schema.Error) {
	private := false
	if key := r.Body.Str("admin_key"); key != "" && p.general.adminKey != "" {
		if err := authorize(r.Body, "admin_key", p.general.adminKey); err != nil {
			return failed(err)
		}
		private = true
	}
	p.mu.Lock()
	list := p.list()
	streams := make([]int, len(list))
	for i, m := range list {
		streams[i] = len(m.streams)
	}
	p.mu.Unlock()
	ages := make([][]time.Duration, len(list))
	for i, m := range list {
		ages[i] = m.ages(streams[i])
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	w.Str("streaming", "list")
	w.Array("list")
	for i, m := range list {
		if !m.destroyed && (private || !m.hidden) {
			m.summarise(w, ages[i])
		}
	}
	w.EndArray()
	return kit.Response{}, nil
}

// summarise writes the mountpoint's entry in the list. p.mu is held.
func (m *mountpoint) summarise(w *json.Writer, ages []time.Duration) {
	w.Object("")
	m.plugin.ids.Write(w, "id", m.id)
	w.Str("type", m.typeName())
	w.Str("description", m.description)
	w.OptStr("metadata", m.metadata)
	w.Bool("enabled", m.enabled)
	if ages != nil {
		w.Array("media")
		for i := range m.streams {
			st := &m.streams[i]
			w.Object("")
			w.Str("mid", st.mid)
			w.Str("type", kindName(st.kind))
			w.Str("label", st.label)
			w.OptStr("msid", st.msid)
			w.Int("age_ms", ages[i].Milliseconds())
			w.End()
		}
		w.EndArray()
	}
	w.End()
}

// info describes one mountpoint.
func (p *Plugin) info(r *kit.Request, w *json.Writer) (kit.Response, *schema.Error) {
	p.mu.Lock()
	m, err := p.find(r.Body)
	if err != nil {
		p.mu.Unlock()
		return failed(err)
	}
	streams := len(m.streams)
	p.mu.Unlock()
	if v := r.Body.Get("secret"); !json.IsNull(v) && !schema.String.Is(v) {
		return failed(check([]schema.Field{{Name: "secret", Type: schema.String}}, r.Body))
	}
	ages := m.ages(streams)
	p.mu.Lock()
	defer p.mu.Unlock()
	admin := m.secret == "" || authorize(r.Body, "secret", m.secret) == nil
	w.Str("streaming", "info")
	w.Object("info")
	m.describe(w, ages, admin)
	w.End()
	return kit.Response{}, nil
}

// describe writes what info tells. p.mu is held.
func (m *mountpoint) describe(w *json.Writer, ages []time.Duration, admin bool) {
	m.plugin.ids.Write(w, "id", m.id)
	if admin {
		w.Str("name", m.name)
	}
	w.Str("description", m.description)
	w.OptStr("metadata", m.metadata)
	if admin {
		w.OptStr("secret", m.secret)
		w.OptStr("pin", m.pin)
		optTrue(w, "is_private", m.hidden)
	}
	w.Bool("enabled", m.enabled)
	if admin {
		w.Int("viewers", int64(len(m.viewers)))
	}
	w.Str("type", m.typeName())
	w.Array("media")
	for i := range m.streams {
		w.Object("")
		if ages == nil {
			m.streams[i].describeFile(w)
		} else {
			m.streams[i].describe(w, i, ages[i], admin)
		}
		w.End()
	}
	w.EndArray()
	m.describeKind(w, admin)
}

// describeKind writes what depends on the type.
func (m *mountpoint) describeKind(w *json.Writer, admin bool) {
	if m.kind == typeRTSP {
		w.Bool("rtsp", true)
		if admin {
			w.OptStr("url", m.rtsp.URL)
			w.OptStr("rtsp_user", m.rtsp.User)
			w.OptStr("rtsp_pwd", m.rtsp.Password)
			optTrue(w, "rtsp_quirk", m.rtsp.Quirk)
		}
	}
	if !m.live() {
		if admin {
			w.OptStr("filename", m.filename)
		}
		return
	}
	optTrue(w, "srtp", m.srtpSuite != 0 && m.srtpCrypto != "")
	optTrue(w, "e2ee", m.e2ee)
	optTrue(w, "playoutdelay_ext", m.playoutDelay)
	optInt(w, "abscapturetime_src_ext_id", int64(m.captureTimeID))
	optInt(w, "collision", int64(m.collision))
	optInt(w, "bufferkf_ms", int64(m.bufferTime))
	optInt(w, "bufferkf_bytes", m.bufferBytes)
	optInt(w, "threads", int64(m.threads))
	for i := len(m.streams) - 1; admin && i >= 0; i-- {
		if m.streams[i].host != "" {
			w.Str("host", m.streams[i].host)
			break
		}
	}
}

// describeFile writes the one stream of a file.
func (st *streamSettings) describeFile(w *json.Writer) {
	w.Str("type", kindName(st.kind))
	st.describeCodec(w)
}

func (st *streamSettings) describeCodec(w *json.Writer) {
	w.Int("pt", int64(st.format.PT))
	if st.format.ID != "" {
		w.Str("codec", st.format.ID)
		w.Str("rtpmap", st.format.RTPMap())
	}
	w.OptStr("fmtp", st.format.Fmtp)
}

func (st *streamSettings) describe(w *json.Writer, index int, age time.Duration, admin bool) {
	w.Int("mindex", int64(index))
	w.Str("type", kindName(st.kind))
	w.Str("mid", st.mid)
	w.Str("label", st.label)
	w.OptStr("msid", st.msid)
	if st.kind == sdp.Application {
		w.Str("datatype", st.dataType())
	} else {
		st.describeCodec(w)
	}
	optTrue(w, "videosimulcast", st.simulcast)
	optTrue(w, "videosvc", st.svc)
	optTrue(w, "skew_compensation", st.skew)
	if admin {
		w.Int("port", int64(st.port))
		if st.rtcp {
			w.Int("rtcpport", int64(st.rtcpPort))
		}
		optInt(w, "port2", int64(st.port2))
		optInt(w, "port3", int64(st.port3))
	}
	w.Int("age_ms", age.Milliseconds())
}

func (st *streamSettings) dataType() string {
	if st.binary {
		return "binary"
	}
	return "text"
}

// describeCreated writes what the reply to create tells.
func (m *mountpoint) describeCreated(w *json.Writer) {
	m.plugin.ids.Write(w, "id", m.id)
	w.Str("type", m.typeName())
	w.Str("description", m.description)
	w.Bool("is_private", m.hidden)
	switch {
	case m.kind != typeRTP:
	case m.legacy:
		for i := range m.streams {
			m.streams[i].describeFlat(w)
		}
	default:
		w.Array("ports")
		for i := range m.streams {
			m.streams[i].describePorts(w)
		}
		w.EndArray()
	}
}

func (st *streamSettings) describePorts(w *json.Writer) {
	w.Object("")
	w.Str("type", kindName(st.kind))
	w.Str("mid", st.mid)
	w.OptStr("msid", st.msid)
	w.OptStr("host", st.host)
	st.writePorts(w, "")
	w.End()
}

// describeFlat writes the ports in the old style.
func (st *streamSettings) describeFlat(w *json.Writer) {
	prefix := kindName(st.kind) + "_"
	w.OptStr(prefix+"host", st.host)
	st.writePorts(w, prefix)
}

func (st *streamSettings) writePorts(w *json.Writer, prefix string) {
	w.Int(prefix+"port", int64(st.port))
	if st.rtcp && st.kind != sdp.Application {
		w.Int(prefix+"rtcp_port", int64(st.rtcpPort))
	}
	if st.simulcast {
		w.Int(prefix+"port_2", int64(st.port2))
		w.Int(prefix+"port_3", int64(st.port3))
	}
}

func optTrue(w *json.Writer, key string, v bool) {
	if v {
		w.Bool(key, true)
	}
}

func optInt(w *json.Writer, key string, n int64) {
	if n != 0 {
		w.Int(key, n)
	}
}
