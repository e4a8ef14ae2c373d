package streaming

import (
	"slices"
	"strings"

	"bifrons/api/kit"
	"bifrons/api/plugin/streaming/format"
	"bifrons/api/schema"
	"bifrons/sdp"
	"bifrons/sfu"
)

// The types of mountpoints.
const (
	typeRTP      = "rtp"
	typeLive     = "live"
	typeOnDemand = "ondemand"
	typeRTSP     = "rtsp"
)

// settings are what a mountpoint is set up with.
type settings struct {
	kind        string // typeRTP, ...; fixed
	name        string // also its category in the file, if it can be
	description string
	metadata    string
	hidden      bool // left out from the list
	secret, pin string

	streams []streamSettings
	legacy  bool // described with the old fields

	// Types rtp and rtsp.
	collision     int // ms
	bufferTime    int // ms
	bufferBytes   int64
	threads       int
	srtpSuite     int
	srtpCrypto    string
	e2ee          bool
	playoutDelay  bool
	captureTimeID uint8 // of the source's abs-capture-time

	filename string // types live and ondemand
	rtsp     rtspSettings
}

// streamSettings are those of one stream of a mountpoint.
type streamSettings struct {
	kind             sdp.Kind
	mid, label, msid string
	multicast, iface string // group; interface or address to bind to
	port, rtcpPort   int
	rtcp             bool // there is a port for RTCP
	format           format.Format
	codecName        string // one of both says what it is
	rtpmap           string
	ptSet            bool   // type rtsp: not what the server says
	ownFmtp          string // type rtsp: instead of what the server says
	skew             bool
	simulcast        bool
	port2, port3     int
	svc              bool
	sps              string // parameter sets for H.264, base64
	binary           bool
	buffer           bool   // the last message is kept
	host             string // address of iface, once the ports are open
}

// common takes over what all types have.
func (s *settings) common(src kit.Source, id string) {
	s.description, _ = src.Text("description")
	s.metadata, _ = src.Text("metadata")
	s.secret, _ = src.Text("secret")
	s.pin, _ = src.Text("pin")
	s.hidden, _ = src.Flag("is_private")
	if s.name, _ = src.Text("name"); s.name == "" {
		s.name = src.Category()
	}
	switch {
	case s.name == "" && s.kind == typeRTSP:
		s.name = id
	case s.name == "":
		s.name = "mp-" + id
	case fromFile(src):
	case startsWithNumber(s.name) || s.kind == typeRTSP && s.name[0] == '0':
		s.name = "mp-" + s.name
	}
	if s.description == "" {
		s.description = s.name
	}
}

// startsWithNumber tells whether a name starts with a number other than 0,
// which cannot be the name of a category.
func startsWithNumber(name string) bool {
	name = strings.TrimLeft(name, "0")
	return name != "" && name[0] >= '1' && name[0] <= '9'
}

// broadcast takes over what live media has.
func (s *settings) broadcast(src kit.Source) *schema.Error {
	for _, f := range []struct {
		name string
		to   func(n int64)
		most int64
		code int
	}{
		{"collision", func(n int64) { s.collision = int(n) }, 1<<31 - 1, errCantCreate},
		{"bufferkf_ms", func(n int64) { s.bufferTime = int(n) }, 1<<16 - 1, errCantCreate},
		{"bufferkf_bytes", func(n int64) { s.bufferBytes = n }, 1<<32 - 1, errCantCreate},
		{"threads", func(n int64) { s.threads = int(n) }, 1<<31 - 1, errCantCreate},
		{"srtpsuite", func(n int64) { s.srtpSuite = int(n) }, 1<<31 - 1, errCantCreate},
		{"abscapturetime_src_ext_id", func(n int64) { s.captureTimeID = uint8(n) }, 14, errInvalidElement},
	} {
		n, _ := src.Number(f.name)
		if n < 0 || n > f.most || src.Wrong(f.name) {
			return errorf(f.code, "Invalid value (%s should be at most %d)", f.name, f.most)
		}
		f.to(n)
	}
	s.srtpCrypto, _ = src.Text("srtpcrypto")
	s.e2ee, _ = src.Flag("e2ee")
	s.playoutDelay, _ = src.Flag("playoutdelay_ext")
	if s.srtpSuite != 0 && s.srtpSuite != 32 && s.srtpSuite != 80 {
		return errorf(errCantCreate, "Can't add 'rtp' stream, invalid SRTP suite")
	}
	if _, err := s.srtpKey(); err != nil {
		return err
	}
	return nil
}

// srtpKey is the key that the source encrypts with; nil without both settings.
func (s *settings) srtpKey() (*sfu.SRTPKey, *schema.Error) {
	if s.srtpCrypto == "" || s.srtpSuite == 0 {
		return nil, nil
	}
	k, err := sfu.NewSRTPKey(s.srtpSuite, s.srtpCrypto)
	if err != nil {
		return nil, errorf(errCantCreate, "Can't add 'rtp' stream, invalid SRTP crypto")
	}
	return k, nil
}

// readRTP takes over what type rtp has.
func (s *settings) readRTP(src kit.Source) *schema.Error {
	if err := s.broadcast(src); err != nil {
		return err
	}
	items, modern := src.List("media")
	s.legacy = !modern
	for _, item := range items {
		text, _ := item.Text("type")
		kind, ok := parseKind(text)
		switch {
		case !ok && fromFile(src):
			item.Reject("type", "audio, video or data", "the stream is left out")
			continue
		case !ok:
			return errorf(errCantCreate, "Unsupported media type in media stream")
		}
		mid, _ := item.Text("mid")
		if !sdp.ValidMID(mid) {
			return errorf(errCantCreate, "Invalid value (mid should be a token of 1 to %d characters)", sdp.MaxMIDLength)
		}
		if slices.ContainsFunc(s.streams, func(st streamSettings) bool { return st.mid == mid }) {
			return errorf(errCantCreate, "Invalid value (mid '%s' is there twice)", mid)
		}
		st, err := readStream(item, src, kind, mid, func(key string) string { return key })
		if err != nil {
			return err
		}
		s.streams = append(s.streams, st)
	}
	for _, old := range legacyKinds {
		if on, _ := src.Flag(old.prefix); !on || modern {
			continue
		}
		st, err := readStream(src, src, old.kind, old.mid, old.name)
		if err != nil {
			return err
		}
		s.streams = append(s.streams, st)
	}
	if len(s.streams) == 0 {
		return errorf(errCantCreate, "Can't add 'rtp' stream, no audio or video have to be streamed...")
	}
	return nil
}

// legacyKind is a stream in the old style: its fields have a prefix.
type legacyKind struct {
	kind        sdp.Kind
	prefix, mid string
}

var legacyKinds = []legacyKind{{sdp.Audio, "audio", "a"}, {sdp.Video, "video", "v"}, {sdp.Application, "data", "d"}}

func (l legacyKind) name(key string) string {
	if key == "h264sps" {
		return key
	}
	return l.prefix + key
}

func parseKind(text string) (sdp.Kind, bool) {
	for _, l := range legacyKinds {
		if strings.EqualFold(text, l.prefix) {
			return l.kind, true
		}
	}
	return sdp.Other, false
}

// kindName is a kind of media as clients know it.
func kindName(k sdp.Kind) string {
	if k == sdp.Application {
		return "data"
	}
	return k.String()
}

// readStream takes over the settings of one stream. name gives the name that a
// setting has in src; whole is the mountpoint's own settings.
func readStream(src, whole kit.Source, kind sdp.Kind, mid string, name func(string) string) (st streamSettings, err *schema.Error) {
	st = streamSettings{kind: kind, mid: mid, label: kindName(kind)}
	text := func(p *string, key string) {
		if t, ok := src.Text(name(key)); ok && t != "" {
			*p = t
		}
	}
	text(&st.label, "label")
	text(&st.msid, "msid")
	text(&st.multicast, "mcast")
	text(&st.iface, "iface")
	text(&st.format.Fmtp, "fmtp")
	text(&st.sps, "h264sps")
	if _, _, ok := parseMSID(st.msid); !ok {
		src.Reject(name("msid"), "two words of at most 64 bytes", "")
		st.msid = ""
	}
	for key, p := range map[string]*int{"port": &st.port, "rtcpport": &st.rtcpPort, "port2": &st.port2, "port3": &st.port3} {
		n, _ := src.Number(name(key))
		if n > 1<<16-1 || src.Wrong(name(key)) {
			return st, errorf(errCantCreate, "Can't add 'rtp' stream, invalid port (%s)", name(key))
		}
		*p = int(n)
	}
	_, st.rtcp = src.Number(name("rtcpport"))
	if _, ok := src.Number(name("port")); !ok {
		return st, errorf(errCantCreate, "Can't add 'rtp' stream, missing port (%s)", name("port"))
	}
	if err := checkFmtp(st.format.Fmtp); err != nil {
		return st, err
	}
	if kind == sdp.Application {
		return st, st.readData(src, whole, name)
	}
	return st, st.readMedia(src, name)
}

// readMedia takes over what audio and video have.
func (st *streamSettings) readMedia(src kit.Source, name func(string) string) *schema.Error {
	n, ok := src.Number(name("pt"))
	if n > 127 || src.Wrong(name("pt")) {
		return errorf(errCantCreate, "Can't add 'rtp' stream, invalid payload type (%s)", name("pt"))
	}
	if fromFile(src) && !ok {
		return errorf(errCantCreate, "Can't add 'rtp' stream, missing payload type (%s)", name("pt"))
	}
	if err := st.readFormat(src, name); err != nil {
		return err
	}
	st.format.PT = uint8(n)
	st.skew, _ = src.Flag(name("skew"))
	if st.kind != sdp.Video {
		return nil
	}
	st.simulcast = either(src, name("simulcast"), "videosimulcast")
	st.svc = either(src, name("svc"), "videosvc") && st.format.ID == sdp.VP9
	return nil
}

// readFormat takes over what says what the media of a stream is.
func (st *streamSettings) readFormat(src kit.Source, name func(string) string) *schema.Error {
	codec, named := src.Text(name("codec"))
	rtpmap, mapped := src.Text(name("rtpmap"))
	known, fmtp := false, st.format.Fmtp
	switch {
	case named:
		st.codecName = strings.ToLower(codec)
		st.format, known = format.Named(codec)
	case mapped:
		codec, st.rtpmap = rtpmap, rtpmap
		st.format, known = format.Parse(rtpmap)
	default:
		return errorf(errCantCreate, "Can't add 'rtp' stream, missing codec (%s)", name("codec"))
	}
	st.format.Fmtp = fmtp
	switch {
	case !known:
		return errorf(errCantCreate, "Can't add 'rtp' stream, unknown codec '%s'", codec)
	case !st.format.Fits(st.kind):
		return errorf(errCantCreate, "Can't add 'rtp' stream, the codec '%s' is not one of %s", codec, kindName(st.kind))
	}
	return nil
}

// checkFmtp refuses format parameters that cannot stand in a description.
func checkFmtp(fmtp string) *schema.Error {
	if !format.ValidFmtp(fmtp) {
		return errorf(errCantCreate, "Invalid value (fmtp should be one short line)")
	}
	return nil
}

// readData takes over what data has. Its own settings may be those of the
// mountpoint, which is where they used to be looked for.
func (st *streamSettings) readData(src, whole kit.Source, name func(string) string) *schema.Error {
	kind, ok := src.Text(name("type"))
	if src != whole {
		if kind, ok = src.Text("datatype"); !ok {
			kind, ok = whole.Text("datatype")
		}
	}
	if ok && !strings.EqualFold(kind, "text") && !strings.EqualFold(kind, "binary") {
		return errorf(errInvalidElement, "Invalid element (datatype can only be text or binary)")
	}
	st.binary = strings.EqualFold(kind, "binary")
	st.buffer = either(src, name("buffermsg"), "databuffermsg")
	if !st.buffer && src != whole {
		st.buffer = either(whole, "buffermsg", "databuffermsg")
	}
	return nil
}

// fromFile tells whether settings come from a file.
func fromFile(src kit.Source) bool { return src.Category() != "" }

// either is a flag that is known by two names.
func either(src kit.Source, a, b string) bool {
	on, ok := src.Flag(a)
	if !ok {
		on, _ = src.Flag(b)
	}
	return on
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
