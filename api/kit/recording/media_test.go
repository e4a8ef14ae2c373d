package recording

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"bifrons/api/plugin/plugintest"
	"bifrons/sdp"
)

// TestAgreed reads media from an answer: the main codec, its parameters, RED, and the
// extensions that matter.
func TestAgreed(t *testing.T) {
	d, err := sdp.Parse("v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n" +
		"m=audio 9 UDP/TLS/RTP/SAVPF 63 111\r\na=rtpmap:111 opus/48000/2\r\na=fmtp:111 useinbandfec=1\r\na=rtpmap:63 red/48000/2\r\na=fmtp:63 111/111\r\n" +
		"a=extmap:3 " + sdp.URIAudioLevel + "\r\na=extmap:4 " + sdp.URIMID + "\r\n" +
		"m=video 9 UDP/TLS/RTP/SAVPF 98\r\na=rtpmap:98 VP9/90000\r\na=fmtp:98 profile-id=2\r\na=extmap:13 " + sdp.URIVideoOrientation + "\r\n" +
		"m=video 0 UDP/TLS/RTP/SAVPF 96\r\na=rtpmap:96 VP8/90000\r\n" +
		"m=audio 9 UDP/TLS/RTP/SAVPF 99\r\na=rtpmap:99 nosuch/48000\r\n" +
		"m=audio 9 UDP/TLS/RTP/SAVPF 0\r\n" +
		"m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\n")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for i := range d.Sections {
		m, ok := Agreed(&d.Sections[i])
		m.NameIn("x")
		got = append(got, fmt.Sprint(ok, " ", m.Name, " ", m.Codec, " ", m.Fmtp, " ", m.Extensions, " ", m.RED))
	}
	want := []string{
		"true x-audio opus useinbandfec=1 map[3:" + sdp.URIAudioLevel + "] 63",
		"true x-video vp9 profile-id=2 map[13:" + sdp.URIVideoOrientation + "] 0",
		"false x-audio   map[] 0", // of no kind
		"false x-audio   map[] 0",
		"true x-audio pcmu  map[] 0",
		"true x-data text  map[] 0",
	}
	if g, w := strings.Join(got, "\n"), strings.Join(want, "\n"); g != w {
		t.Errorf("got\n%s\nwant\n%s", g, w)
	}
}

// TestStartAll records all media or none.
func TestStartAll(t *testing.T) {
	core, who := owner(t, plugintest.Config{Protected: func(path string) bool { return strings.Contains(path, "secret") }})
	folder := t.TempDir()
	media := []Medium{
		{Key: 1, Name: filepath.Join(folder, "a"), Kind: sdp.Audio, Codec: "opus"},
		{Key: 2, Name: filepath.Join(folder, "secret"), Kind: sdp.Video, Codec: "vp8"},
	}
	var s Set
	if err := s.StartAll(who, media); err == nil || s.Any() || !strings.Contains(err.Error(), "secret.mjr: ") {
		t.Errorf("%v, recorded %s", err, shown(&s))
	}
	core.AwaitLog("not recorded")
	if got, want := strings.Join(core.Notices(), ""), `{"event":"recording-failed","file":"`+media[1].Name+`.mjr","error":"its folder is protected"}`; got != want {
		t.Errorf("told %s, want %s", got, want)
	}
	media[1].Name = filepath.Join(folder, "b")
	for range 2 { // what is recorded goes on
		if err := s.StartAll(who, media); err != nil || !s.Records(1) || !s.Records(2) {
			t.Errorf("%v, recorded %s", err, shown(&s))
		}
	}
	media[1].Codec = "vp9"
	if err := s.StartAll(who, media); err != nil || s.File(1) != "a.mjr" || s.File(2) != "b-2.mjr" {
		t.Errorf("with another codec: %v, recorded to %q and %q", err, s.File(1), s.File(2))
	}
	s.SetOrigin(3, nil, 0)
	s.SetOrigin(1, nil, 1)
	s.StopAll(nil)
}
