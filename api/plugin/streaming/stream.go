package streaming

import (
	"strings"

	"bifrons/api/config"
	"bifrons/api/kit"
	"bifrons/api/kit/mline"
	"bifrons/api/plugin"
	"bifrons/api/plugin/streaming/format"
	"bifrons/api/schema"
	"bifrons/sdp"
)

// streamSettings are those of one stream of a mountpoint.
type streamSettings struct {
	kind             sdp.Kind
	mid, label, msid string
	multicast, iface string // group; interface or address to bind to
	port, rtcpPort   int    // -1 = none
	skew             bool
	simulcast        bool
	port2, port3     int
	svc              bool
	priority         int    // on the line to a viewer
	sps              string // parameter sets for H.264, base64
	dataType         string // text, binary
	buffer           bool   // the last message is kept

	// The media, by the settings. codec or rtpmap says it, except for the
	// type rtsp, where the server does.
	pt                  int // -1 = not set
	codec, rtpmap, fmtp string

	format format.Format // of the media
	host   string        // address of iface, once the ports are open
	file   string        // name of the recording, of the latest
}

// newStream are the defaults of a kind of stream.
func newStream(kind sdp.Kind, mid string) streamSettings {
	return streamSettings{kind: kind, mid: mid, label: plugin.KindName(kind), port: -1, rtcpPort: -1, pt: -1, dataType: "text"}
}

// table is the settings of an item of media, or with a prefix those in the old style.
func (st *streamSettings) table(prefix string) (t kit.Settings) {
	if prefix == "" {
		t = kit.Settings{{Name: "label", To: &st.label, Save: kit.Always}, {Name: "msid", To: &st.msid, Save: kit.IfSet}}
	}
	t = append(t, kit.Settings{
		{Name: prefix + "mcast", To: &st.multicast, Save: kit.IfSet},
		{Name: prefix + "iface", To: &st.iface, Save: kit.IfSet},
		{Name: prefix + "port", To: &st.port, Most: maxPort, Required: true, Save: kit.Always},
	}...)
	if st.kind == sdp.Application {
		return append(t, st.dataTable(prefix)...)
	}
	t = append(t, kit.Setting{Name: prefix + "rtcpport", To: &st.rtcpPort, Most: maxPort, Save: given(st.rtcpPort)},
		kit.Setting{Name: prefix + "skew", To: &st.skew, Save: kit.IfSet})
	t = append(t, st.formatTable(prefix, prefix != "")...)
	if st.kind != sdp.Video {
		return t
	}
	return append(t, kit.Settings{
		{Name: "videosimulcast", To: &st.simulcast}, // in items another spelling
		{Name: prefix + "simulcast", To: &st.simulcast, Save: kit.IfSet},
		{Name: prefix + "port2", To: &st.port2, Most: maxPort, Save: kit.IfSet},
		{Name: prefix + "port3", To: &st.port3, Most: maxPort, Save: kit.IfSet},
		{Name: "videosvc", To: &st.svc},
		{Name: prefix + "svc", To: &st.svc, Save: kit.IfSet},
		{Name: prefix + "priority", To: &st.priority, Most: mline.MaxPriority, Save: kit.IfSet},
		{Name: prefix + "bufferkf", To: new(bool)}, // of old versions
		{Name: "h264sps", To: &st.sps, Save: kit.IfSet},
	}...)
}

// formatTable has the settings that describe the media.
func (st *streamSettings) formatTable(prefix string, required bool) kit.Settings {
	return kit.Settings{
		{Name: prefix + "pt", To: &st.pt, Most: 127, Required: required, Save: given(st.pt)},
		{Name: prefix + "codec", To: &st.codec, Save: kit.IfSet},
		{Name: prefix + "rtpmap", To: &st.rtpmap, Save: kit.IfSet},
		{Name: prefix + "fmtp", To: &st.fmtp, Save: kit.IfSet},
	}
}

// dataTable has the settings of data.
func (st *streamSettings) dataTable(prefix string) kit.Settings {
	return kit.Settings{
		{Name: "datatype", To: &st.dataType, Save: kit.Always},
		{Name: "databuffermsg", To: &st.buffer},
		{Name: prefix + "buffermsg", To: &st.buffer, Save: kit.IfSet},
	}
}

const maxPort = 1<<16 - 1

// given says to save a number that is set.
func given(n int) kit.When {
	if n < 0 {
		return kit.Never
	}
	return kit.Always
}

// settleFormat finds out the format of the media of a stream.
func (s *settings) settleFormat(st *streamSettings) *schema.Error {
	said, known := st.codec, false
	switch {
	case st.codec != "":
		st.rtpmap = ""
		st.format, known = format.Named(st.codec)
	case st.rtpmap != "":
		said = st.rtpmap
		st.format, known = format.Parse(st.rtpmap)
	default:
		return s.cant("missing codec of the %s", plugin.KindName(st.kind))
	}
	st.format.PT, st.format.Fmtp = uint8(st.pt), st.fmtp
	switch {
	case !known:
		return s.cant("unknown codec '%s'", said)
	case !st.format.Fits(st.kind):
		return s.cant("the codec '%s' is not one of %s", said, plugin.KindName(st.kind))
	}
	return st.checkFmtp()
}

// checkFmtp refuses format parameters that cannot stand in a description.
func (st *streamSettings) checkFmtp() *schema.Error {
	if !format.ValidFmtp(st.fmtp) {
		return errorf(errCantCreate, "Invalid value (fmtp should be one short line)")
	}
	return nil
}

// save is the settings as an item of media.
func (st *streamSettings) save() *config.Group {
	g := new(config.Group)
	g.Set("type", plugin.KindName(st.kind))
	g.Set("mid", st.mid)
	st.table("").Save(g)
	return g
}

// parseMSID splits an msid in its two tokens (RFC 8830); "" has none.
func parseMSID(msid string) (stream, track string, ok bool) {
	const most = 64
	if msid == "" {
		return "", "", true
	}
	f := strings.Fields(msid)
	if len(f) != 2 || len(f[0]) > most || len(f[1]) > most {
		return "", "", false
	}
	return f[0], f[1], true
}

// legacyKind is a stream in the old style: its fields have a prefix.
type legacyKind struct {
	kind        sdp.Kind
	prefix, mid string
}

var legacyKinds = []legacyKind{{sdp.Audio, "audio", "a"}, {sdp.Video, "video", "v"}, {sdp.Application, "data", "d"}}

func parseKind(text string) (sdp.Kind, bool) {
	for _, l := range legacyKinds {
		if strings.EqualFold(text, l.prefix) {
			return l.kind, true
		}
	}
	return sdp.Other, false
}
