package streaming

import (
	"cmp"
	"strings"
	"time"

	"bifrons/api/kit"
	"bifrons/api/plugin/streaming/format"
	"bifrons/api/plugin/streaming/rtsp"
	"bifrons/api/schema"
	"bifrons/sdp"
	"bifrons/sfu"
)

// readFile takes over what types live and ondemand have. Their one stream has
// neither mid nor msid.
func (s *settings) readFile(src kit.Source) *schema.Error {
	cant := func(text string) *schema.Error {
		return errorf(errCantCreate, "Can't add '%s' stream, %s", s.kind, text)
	}
	s.filename, _ = src.Text("filename")
	audio, _ := src.Flag("audio")
	video, _ := src.Flag("video")
	st := streamSettings{kind: sdp.Audio, label: "audio"}
	switch {
	case s.filename == "":
		return cant("missing filename")
	case strings.Contains(s.filename, "../"):
		return cant("invalid filename '" + s.filename + "'")
	case video || !audio:
		return cant("only audio files are supported")
	case strings.HasSuffix(s.filename, ".alaw"):
		st.format, _ = format.Named(sdp.PCMA)
	case strings.HasSuffix(s.filename, ".mulaw"):
		st.format, _ = format.Named(sdp.PCMU)
	case strings.HasSuffix(s.filename, ".opus"):
		if err := st.readMedia(src, legacyKinds[0].name); err != nil {
			return err
		}
		if st.format.ID != sdp.Opus {
			return cant("opus file without the codec opus")
		}
		st.format.Fmtp, _ = src.Text("audiofmtp")
		if err := checkFmtp(st.format.Fmtp); err != nil {
			return err
		}
	default:
		return cant("unsupported format (we only support Opus, raw mu-Law and a-Law files)")
	}
	s.streams = []streamSettings{st}
	return nil
}

// rtspSettings are those of the type rtsp.
type rtspSettings struct {
	rtsp.Settings
	iface  string
	check  bool // creating fails if the server cannot be reached
	notify bool // viewers hear of lost and new connections
}

// readRTSP takes over what type rtsp has. What the streams carry is told by the
// server.
func (s *settings) readRTSP(src kit.Source) *schema.Error {
	if err := s.broadcast(src); err != nil {
		return err
	}
	r := &s.rtsp
	r.URL, _ = src.Text("url")
	r.User, _ = src.Text("rtsp_user")
	r.Password, _ = src.Text("rtsp_pwd")
	r.iface, _ = src.Text("rtspiface")
	r.Quirk, _ = src.Flag("rtsp_quirk")
	r.notify, _ = src.Flag("rtsp_notify_changes")
	r.check = true
	for _, name := range []string{"rtsp_failcheck", "rtsp_check"} {
		if on, ok := src.Flag(name); ok {
			r.check = on
		}
	}
	for _, f := range []struct {
		name string
		to   *time.Duration
		def  int64
	}{
		{"rtsp_reconnect_delay", &r.Reconnect, 5},
		{"rtsp_session_timeout", &r.SessionTimeout, 0},
		{"rtsp_timeout", &r.Timeout, 10},
		{"rtsp_conn_timeout", &r.ConnectTimeout, 5},
	} {
		n, ok := src.Number(f.name)
		if ok && n > 1<<31-1 {
			src.Reject(f.name, "a smaller number of seconds", "")
		}
		if !ok || n > 1<<31-1 {
			n = f.def
		}
		*f.to = time.Duration(n) * time.Second
	}
	// Requests wait for these two.
	r.Timeout = min(cmp.Or(r.Timeout, 10*time.Second), time.Minute)
	r.ConnectTimeout = min(cmp.Or(r.ConnectTimeout, 5*time.Second), time.Minute)
	for _, old := range legacyKinds[:2] {
		if on, _ := src.Flag(old.prefix); !on {
			continue
		}
		st := streamSettings{kind: old.kind, mid: old.mid, label: "RTSP " + old.prefix}
		n, ok := src.Number(old.name("pt"))
		if n > 127 {
			return errorf(errCantCreate, "Can't add 'rtsp' stream, invalid payload type (%s)", old.name("pt"))
		}
		st.format.PT, st.ptSet = uint8(n), ok
		st.ownFmtp, _ = src.Text(old.name("fmtp"))
		if err := checkFmtp(st.ownFmtp); err != nil {
			return err
		}
		s.streams = append(s.streams, st)
	}
	switch {
	case len(s.streams) == 0:
		return errorf(errCantCreate, "Can't add 'rtsp' stream, no audio or video have to be streamed...")
	case r.URL == "":
		return errorf(errCantCreate, "Can't add 'rtsp' stream, missing url")
	}
	if _, err := sfu.BindTo("", r.iface); err != nil {
		return errorf(errCantCreate, "Can't add 'rtsp' stream, %v", err)
	}
	return nil
}
