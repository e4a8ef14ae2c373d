package streaming

import (
	"math"
	"slices"
	"strings"
	"time"

	"bifrons/api/config"
	"bifrons/api/kit"
	"bifrons/api/kit/recording"
	"bifrons/api/kit/rooms"
	"bifrons/api/plugin"
	"bifrons/api/plugin/streaming/rtsp"
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

// settings are the settings of a mountpoint.
type settings struct {
	rooms.Access
	kind        string // typeRTP, ...; fixed
	name        string // also its category in the file, if it can be
	description string
	metadata    string

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
	recordFormat  string // "" = mjr
	playoutDelay  bool
	estimate      bool   // of the capacity of the lines to viewers
	maxBitrate    uint64 // bit/s for all that a viewer gets, 0 = no bound
	captureTimeID uint8  // of the source's abs-capture-time

	filename string // types live and ondemand

	// Type rtsp.
	rtsp      rtsp.Settings
	rtspIface string
	rtspCheck bool // creating fails if the server cannot be reached
	rtspTell  bool // viewers hear of lost and new connections
}

// ifSet is IfSet for those who may see a setting.
func ifSet(may bool) kit.When {
	if may {
		return kit.IfSet
	}
	return kit.Never
}

// common is the part that all types share; info shows some of it to administrators only.
func (s *settings) common(admin bool) kit.Settings {
	return kit.Settings{
		{Name: "name", To: &s.name, Show: ifSet(admin)},
		{Name: "description", To: &s.description, Edit: true, Save: kit.Always, Show: kit.Always},
		{Name: "metadata", To: &s.metadata, Edit: true, Clear: true, Save: kit.IfSet, Show: kit.IfSet},
		{Name: "secret", To: &s.Secret, Edit: true, Save: kit.IfSet, Show: ifSet(admin)},
		{Name: "pin", To: &s.PIN, Edit: true, Clear: true, Save: kit.IfSet, Show: ifSet(admin)},
		{Name: "is_private", To: &s.Hidden, Edit: true, Save: kit.IfSet, Show: ifSet(admin)},
	}
}

// broadcast is the part of live media.
func (s *settings) broadcast() kit.Settings {
	return kit.Settings{
		{Name: "srtpsuite", To: &s.srtpSuite, Save: kit.IfSet},
		{Name: "srtpcrypto", To: &s.srtpCrypto, Save: kit.IfSet},
		{Name: "e2ee", To: &s.e2ee, Save: kit.IfSet, Show: kit.IfSet},
		{Name: "record_format", To: recording.FormatSetting{To: &s.recordFormat}, Save: kit.IfSet, Show: kit.IfSet},
		{Name: "playoutdelay_ext", To: &s.playoutDelay, Save: kit.IfSet, Show: kit.IfSet},
		{Name: "bwe", To: &s.estimate, Save: kit.IfFalse(s.estimate), Show: kit.IfFalse(s.estimate)},
		{Name: "max_bitrate", To: &s.maxBitrate, Most: math.MaxInt64, Save: kit.IfSet, Show: kit.IfSet},
		{Name: captureTimeField, To: &s.captureTimeID, Most: 14, Save: kit.IfSet, Show: kit.IfSet},
		{Name: "collision", To: &s.collision, Save: kit.IfSet, Show: kit.IfSet},
		{Name: "bufferkf_ms", To: &s.bufferTime, Most: 1<<16 - 1, Save: kit.IfSet, Show: kit.IfSet},
		{Name: "bufferkf_bytes", To: &s.bufferBytes, Most: 1<<32 - 1, Save: kit.IfSet, Show: kit.IfSet},
		{Name: "threads", To: &s.threads, Save: kit.IfSet, Show: kit.IfSet},
	}
}

const captureTimeField = "abscapturetime_src_ext_id"

// file is the part of types live and ondemand.
func (s *settings) file(admin bool) kit.Settings {
	return kit.Settings{{Name: "filename", To: &s.filename, Required: true, Save: kit.Always, Show: ifSet(admin)}}
}

// camera is the part of type rtsp.
func (s *settings) camera(admin bool) kit.Settings {
	r := &s.rtsp
	return kit.Settings{
		{Name: "url", To: &r.URL, Save: kit.Always, Show: ifSet(admin)},
		{Name: "rtsp_user", To: &r.User, Save: kit.IfSet, Show: ifSet(admin)},
		{Name: "rtsp_pwd", To: &r.Password, Save: kit.IfSet, Show: ifSet(admin)},
		{Name: "rtsp_quirk", To: &r.Quirk, Save: kit.IfSet, Show: ifSet(admin)},
		{Name: "rtspiface", To: &s.rtspIface, Save: kit.IfSet},
		{Name: "rtsp_failcheck", To: &s.rtspCheck, Save: kit.Always},
		{Name: "rtsp_check", To: &s.rtspCheck},
		{Name: "rtsp_notify_changes", To: &s.rtspTell, Save: kit.IfSet},
		{Name: "rtsp_reconnect_delay", To: &r.Reconnect, Save: kit.Always},
		{Name: "rtsp_session_timeout", To: &r.SessionTimeout, Save: kit.IfSet},
		{Name: "rtsp_timeout", To: &r.Timeout, NotZero: true, Most: maxWait, Save: kit.Always},
		{Name: "rtsp_conn_timeout", To: &r.ConnectTimeout, NotZero: true, Most: maxWait, Save: kit.Always},
	}
}

// maxWait is how long a request may wait for a server, in seconds.
const maxWait = 60

// newSettings are the defaults of a type of mountpoint.
func newSettings(kind string) settings {
	return settings{kind: kind, rtspCheck: true, estimate: true,
		rtsp: rtsp.Settings{Reconnect: 5 * time.Second, Timeout: 10 * time.Second, ConnectTimeout: 5 * time.Second}}
}

// read applies the settings of src.
func (s *settings) read(src kit.Values, id string) *schema.Error {
	s.common(true).Read(src)
	s.settleName(src, id)
	switch s.kind {
	case typeRTP:
		return s.readRTP(src)
	case typeLive, typeOnDemand:
		return s.readFile(src)
	case typeRTSP:
		return s.readRTSP(src)
	}
	return errorf(errInvalidElement, "Unknown stream type '%s'...\n", s.kind)
}

// settleName makes sure that there is a name, which can be that of a category if it
// comes with a request.
func (s *settings) settleName(src kit.Values, id string) {
	if s.name == "" {
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

// fromFile reports whether settings come from a file.
func fromFile(src kit.Values) bool { return src.Category() != "" }

// startsWithNumber reports whether a name starts with a number other than 0,
// which cannot be the name of a category.
func startsWithNumber(name string) bool {
	name = strings.TrimLeft(name, "0")
	return name != "" && name[0] >= '1' && name[0] <= '9'
}

// readBroadcast reads the settings of live media.
func (s *settings) readBroadcast(src kit.Values) *schema.Error {
	if err := readAll(s.broadcast(), src); err != nil {
		return err
	}
	if s.srtpSuite != 0 && s.srtpSuite != 32 && s.srtpSuite != 80 {
		return s.cant("invalid SRTP suite")
	}
	_, err := s.srtpKey()
	return err
}

// readAll takes over settings, unless a number makes no sense.
func readAll(t kit.Settings, src kit.Values) *schema.Error {
	if wrong := t.Wrong(src); wrong != nil {
		code := errCantCreate
		if wrong.Name == captureTimeField {
			code = errInvalidElement
		}
		return errorf(code, "Invalid value (%s should be at most %d)", wrong.Name, wrong.Limit())
	}
	t.Read(src)
	return nil
}

// srtpKey is the key that the source encrypts with; nil without both settings.
func (s *settings) srtpKey() (*sfu.SRTPKey, *schema.Error) {
	if s.srtpCrypto == "" || s.srtpSuite == 0 {
		return nil, nil
	}
	k, err := sfu.NewSRTPKey(s.srtpSuite, s.srtpCrypto)
	if err != nil {
		return nil, s.cant("invalid SRTP crypto")
	}
	return k, nil
}

// readRTP reads the settings of type rtp.
func (s *settings) readRTP(src kit.Values) *schema.Error {
	if err := s.readBroadcast(src); err != nil {
		return err
	}
	items, modern := src.List("media")
	s.legacy = !modern
	for _, item := range items {
		text, _ := item.Text("type")
		mid, _ := item.Text("mid")
		kind, ok := parseKind(text)
		switch {
		case !ok && fromFile(src):
			item.Reject("type", "audio, video or data", "the stream is left out")
			continue
		case !ok:
			return s.cant("unsupported media type in media stream")
		case !sdp.ValidMID(mid):
			return errorf(errCantCreate, "Invalid value (mid should be a token of 1 to %d characters)", sdp.MaxMIDLength)
		case slices.ContainsFunc(s.streams, func(st streamSettings) bool { return st.mid == mid }):
			return errorf(errCantCreate, "Invalid value (mid '%s' is there twice)", mid)
		}
		st := newStream(kind, mid)
		st.dataTable("").Read(src) // where they used to be looked for
		if err := s.addStream(st, item, ""); err != nil {
			return err
		}
	}
	for _, old := range legacyKinds {
		if on, _ := src.Flag(old.prefix); !on || modern {
			continue
		}
		if err := s.addStream(newStream(old.kind, old.mid), src, old.prefix); err != nil {
			return err
		}
	}
	if len(s.streams) == 0 {
		return s.cant("no audio or video have to be streamed...")
	}
	return nil
}

// addStream adds a stream from the settings of src whose names have a prefix.
func (s *settings) addStream(st streamSettings, src kit.Values, prefix string) *schema.Error {
	if err := readAll(st.table(prefix), src); err != nil {
		return err
	}
	if _, _, ok := parseMSID(st.msid); !ok {
		src.Reject("msid", "two words of at most 64 bytes", "")
		st.msid = ""
	}
	switch {
	case st.port < 0:
		return s.cant("missing port (%s)", prefix+"port")
	case st.kind == sdp.Application:
		if st.dataType = strings.ToLower(st.dataType); st.dataType != "text" && st.dataType != "binary" {
			return errorf(errInvalidElement, "Invalid element (datatype can only be text or binary)")
		}
	case st.pt < 0 && fromFile(src):
		return s.cant("missing payload type (%s)", prefix+"pt")
	default:
		st.pt = max(st.pt, 0)
		if err := s.settleFormat(&st); err != nil {
			return err
		}
		st.svc = st.svc && st.format.ID == sdp.VP9
	}
	s.streams = append(s.streams, st)
	return nil
}

// readFile reads the settings of types live and ondemand. Their one stream has
// neither mid nor msid.
func (s *settings) readFile(src kit.Values) *schema.Error {
	s.file(true).Read(src)
	audio, _ := src.Flag("audio")
	video, _ := src.Flag("video")
	st := newStream(sdp.Audio, "")
	switch {
	case s.filename == "":
		return s.cant("missing filename")
	case strings.Contains(s.filename, "../"):
		return s.cant("invalid filename '%s'", s.filename)
	case video || !audio:
		return s.cant("only audio files are supported")
	case strings.HasSuffix(s.filename, ".alaw"):
		st.codec, st.pt = sdp.PCMA, 8
	case strings.HasSuffix(s.filename, ".mulaw"):
		st.codec, st.pt = sdp.PCMU, 0
	case strings.HasSuffix(s.filename, ".opus"):
		if err := readAll(st.formatTable("audio", false), src); err != nil {
			return err
		}
		if st.pt < 0 && fromFile(src) {
			return s.cant("missing payload type (audiopt)")
		}
		st.pt = max(st.pt, 0)
	default:
		return s.cant("unsupported format (we only support Opus, raw mu-Law and a-Law files)")
	}
	if err := s.settleFormat(&st); err != nil {
		return err
	}
	if strings.HasSuffix(s.filename, ".opus") && st.format.ID != sdp.Opus {
		return s.cant("opus file without the codec opus")
	}
	s.streams = []streamSettings{st}
	return nil
}

// readRTSP reads the settings of type rtsp. What the streams carry is told by the
// server.
func (s *settings) readRTSP(src kit.Values) *schema.Error {
	if err := s.readBroadcast(src); err != nil {
		return err
	}
	s.camera(true).Read(src)
	for _, old := range legacyKinds[:2] {
		if on, _ := src.Flag(old.prefix); !on {
			continue
		}
		st := newStream(old.kind, old.mid)
		st.label = "RTSP " + old.prefix
		err := readAll(st.formatTable(old.prefix, false), src)
		if err == nil {
			err = st.checkFmtp()
		}
		if err != nil {
			return err
		}
		st.port, st.format.PT = 0, uint8(max(st.pt, 0))
		s.streams = append(s.streams, st)
	}
	switch {
	case len(s.streams) == 0:
		return s.cant("no audio or video have to be streamed...")
	case s.rtsp.URL == "":
		return s.cant("missing url")
	}
	if _, err := sfu.BindTo("", s.rtspIface); err != nil {
		return s.cant("%v", err)
	}
	return nil
}

// save is the settings as the file has them.
func (s *settings) save() *config.Group {
	g := new(config.Group)
	g.Set("type", s.kind)
	s.common(true).Save(g)
	switch s.kind {
	case typeLive, typeOnDemand:
		s.file(true).Save(g)
	case typeRTP:
		s.broadcast().Save(g)
		list := make([]*config.Group, len(s.streams))
		for i := range s.streams {
			list[i] = s.streams[i].save()
		}
		g.SetList("media", list...)
		return g
	case typeRTSP:
		s.broadcast().Save(g)
		s.camera(true).Save(g)
	}
	for i := range s.streams {
		st := &s.streams[i]
		g.Set(plugin.KindName(st.kind), "true")
		st.formatTable(plugin.KindName(st.kind), false).Save(g)
	}
	return g
}
