package rtsp

import (
	"encoding/base64"
	"fmt"
	"strings"
	"testing"

	"github.com/bluenviron/gortsplib/v5/pkg/description"
	"github.com/bluenviron/gortsplib/v5/pkg/headers"
	"github.com/bluenviron/gortsplib/v5/pkg/mikey"
	librarysdp "github.com/bluenviron/gortsplib/v5/pkg/sdp"

	"bifrons/api/plugin/streaming/format"
	"bifrons/rtp/codec"
	"bifrons/sdp"
)

// cameraLines is the description of a camera with H.264 and PCMU.
const cameraLines = `v=0
o=- 1 1 IN IP4 127.0.0.1
s=Session
c=IN IP4 0.0.0.0
t=0 0
a=control:*
m=video 0 RTP/AVP 96
a=rtpmap:96 H264/90000
a=fmtp:96 packetization-mode=1; sprop-parameter-sets=Z0LAH9kA8BF+,aM48gA==; profile-level-id=42C01F
a=control:trackID=0
m=audio 0 RTP/AVP 0
a=control:trackID=1
`

const (
	cameraVideo = "video 96 H264/90000 trackID=0 packetization-mode=1; sprop-parameter-sets=Z0LAH9kA8BF+,aM48gA==; profile-level-id=42C01F"
	cameraAudio = "audio 0 PCMU/8000 trackID=1 "
)

// damages are descriptions in which something is wrong or unusual, and what of them
// is played all the same.
var damages = map[string]struct {
	text string
	want []string
}{
	"nothing":          {cameraLines, []string{cameraVideo, cameraAudio}},
	"AAC":              {replaced("m=audio 0 RTP/AVP 0", "m=audio 0 RTP/AVP 97", "a=rtpmap:97 mpeg4-generic/44100/2"), []string{cameraVideo}},
	"AAC, config":      {replaced("m=audio 0 RTP/AVP 0", "m=audio 0 RTP/AVP 97", "a=rtpmap:97 mpeg4-generic/x", "a=fmtp:97 config=zz;sizelength=y"), []string{cameraVideo}},
	"mono Opus":        {replaced("m=audio 0 RTP/AVP 0", "m=audio 0 RTP/AVP 97", "a=rtpmap:97 opus/48000/1"), []string{cameraVideo, "audio 97 opus/48000/2 trackID=1 "}},
	"MP4V":             {cameraLines + "m=video 0 RTP/AVP 98\na=rtpmap:98 MP4V-ES/90000\na=fmtp:98 profile-level-id=x;config=zz\n", []string{cameraVideo, cameraAudio}},
	"MP4V first":       {replaced("m=video 0 RTP/AVP 96", "m=video 0 RTP/AVP 98", "a=rtpmap:98 MP4V-ES/90000", "a=fmtp:98 config=zz", "m=video 0 RTP/AVP 96"), []string{cameraVideo, cameraAudio}},
	"no rtpmap":        {replaced("m=audio 0 RTP/AVP 0", "m=audio 0 RTP/AVP 97"), []string{cameraVideo}},
	"one of two":       {replaced("m=video 0 RTP/AVP 96", "m=video 0 RTP/AVP 99 x 96"), []string{cameraVideo, cameraAudio}},
	"no bandwidth":     {replaced("a=control:trackID=1", "b=AS:", "b=AS:x", "b=:1", "b=", "a=control:trackID=1"), []string{cameraVideo, cameraAudio}},
	"session":          {replaced("c=IN IP4 0.0.0.0", "b=AS:", "c=IN", "i", "z=1", "k=clear:x", "r=x", "e=", "u=%zz", "a=range:", "a=group:FEC x y"), []string{cameraVideo, cameraAudio}},
	"no origin":        {strings.Replace(cameraLines, "o=- 1 1 IN IP4 127.0.0.1\n", "o=x\n", 1), []string{cameraVideo, cameraAudio}},
	"mids":             {replaced("a=control:trackID=1", "a=mid:1", "a=mid:2 x", "a=control:trackID=1"), []string{cameraVideo, cameraAudio}},
	"connection":       {replaced("a=control:trackID=1", "c=x", "c=IN IP5 y", "k=", "i=\x00", "a=control:trackID=1"), []string{cameraVideo, cameraAudio}},
	"short line":       {cameraLines + "m=\nm=audio\nm=video 0\na=\n\n=\n", []string{cameraVideo, cameraAudio}},
	"parameter sets":   {strings.ReplaceAll(cameraLines, "Z0LAH9kA8BF+,aM48gA==", "!,?"), []string{"video 96 H264/90000 trackID=0 packetization-mode=1; sprop-parameter-sets=!,?; profile-level-id=42C01F", cameraAudio}},
	"mode":             {strings.ReplaceAll(cameraLines, "packetization-mode=1", "packetization-mode=x"), []string{strings.ReplaceAll(cameraVideo, "packetization-mode=1", "packetization-mode=x"), cameraAudio}},
	"same PT":          {cameraLines + "m=video 0 RTP/AVP 96\na=rtpmap:96 H265/90000\na=fmtp:96 of=another\n", []string{cameraVideo, cameraAudio}},
	"same PT first":    {replaced("m=video 0 RTP/AVP 96", "m=video 0 RTP/AVP 96", "a=rtpmap:96 MP4V-ES/90000", "a=fmtp:96 of=another", "m=video 0 RTP/AVP 96"), []string{cameraVideo, cameraAudio}},
	"talks back":       {replaced("m=audio 0 RTP/AVP 0", "m=audio 0 RTP/AVP 8", "a=sendonly", "a=control:trackID=2", "m=audio 0 RTP/AVP 0"), []string{cameraVideo, cameraAudio}},
	"other clock":      {replaced("m=audio 0 RTP/AVP 0", "m=audio 0 RTP/AVP 97", "a=rtpmap:97 PCMU/16000"), []string{cameraVideo}},
	"stereo":           {replaced("m=audio 0 RTP/AVP 0", "m=audio 0 RTP/AVP 97", "a=rtpmap:97 PCMA/8000/2"), []string{cameraVideo}},
	"kind":             {replaced("m=audio 0 RTP/AVP 0", "m=audio 0 RTP/AVP 97", "a=rtpmap:97 H264/90000"), []string{cameraVideo}},
	"metadata":         {cameraLines + "m=application 0 RTP/AVP 107\na=control:x\na=rtpmap:107 vnd.onvif.metadata/x\nm=fish 0 UDP 1\n", []string{cameraVideo, cameraAudio}},
	"unknown secrets":  {replaced("m=audio 0 RTP/AVP 0", "m=audio 0 RTP/SAVP 0", "a=key-mgmt:mikey ???"), []string{cameraVideo}},
	"other's secrets":  {replaced("m=audio 0 RTP/AVP 0", "m=audio 0 RTP/AVP 0", "a=key-mgmt:?"), []string{cameraVideo, cameraAudio}},
	"session secrets":  {replaced("a=control:*", "a=control:*", "a=key-mgmt:mikey ???"), []string{cameraVideo, cameraAudio}},
	"session control":  {replaced("a=control:*", "a=control:///%zz"), []string{cameraVideo, cameraAudio}},
	"smart":            {strings.Replace(cameraLines, "RTP/AVP 96", "RTP/AVP smart/1/90000", 1), []string{cameraVideo, cameraAudio}},
	"blanks, CRLF":     {strings.ReplaceAll(strings.ReplaceAll(cameraLines, "a=rtpmap:96 ", "a=rtpmap: 96  "), "\n", " \r\n"), []string{cameraVideo, cameraAudio}},
	"large parameters": {replaced("m=audio 0 RTP/AVP 0", "m=audio 0 RTP/AVP 0", "a=fmtp:0 "+strings.Repeat("x", 5000)), []string{cameraVideo, cameraAudio}},
	"only sound":       {cameraLines[:strings.Index(cameraLines, "m=video")] + cameraLines[strings.Index(cameraLines, "m=audio"):], []string{cameraAudio}},
	"nothing at all":   {"", nil},
}

// replaced is the description with a line replaced by others.
func replaced(line string, by ...string) string {
	return strings.Replace(cameraLines, line+"\n", strings.Join(by, "\n")+"\n", 1)
}

func TestReadCamera(t *testing.T) {
	for name, tt := range damages {
		var got []string
		for _, st := range readCamera(tt.text, sdp.Video, sdp.Audio) {
			got = append(got, fmt.Sprintf("%s %d %s %s %s", st.kind.String(), st.format.PT, st.format.RTPMap(), st.control, st.format.Fmtp))
		}
		if strings.Join(got, "\n") != strings.Join(tt.want, "\n") {
			t.Errorf("%s: got %q\nwant %q", name, got, tt.want)
		}
	}
}

// TestSecureCamera: what says how media is encrypted reaches the library, whether it
// stands in the section or before all sections.
func TestSecureCamera(t *testing.T) {
	message := mikey.Message{Header: mikey.Header{Version: 1}, Payloads: []mikey.Payload{&mikey.PayloadRAND{Data: make([]byte, 16)}}}
	b, err := message.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	keys := "a=key-mgmt:mikey " + base64.StdEncoding.EncodeToString(b)
	video := "m=video 0 RTP/SAVP 96"
	secure := strings.Replace(cameraLines, "m=video 0 RTP/AVP 96", video, 1)
	for name, text := range map[string]string{
		"section": strings.Replace(secure, video, video+"\n"+keys, 1),
		"session": strings.Replace(secure, "a=control:*", "a=control:*\n"+keys, 1),
	} {
		var s librarysdp.SessionDescription
		var d description.Session
		list := readCamera(text, sdp.Video, sdp.Audio)
		if err := s.Unmarshal([]byte(libraryText(text, list...))); err != nil {
			t.Fatal(err)
		}
		if err := d.Unmarshal(&s); err != nil || len(d.Medias) != 2 {
			t.Fatalf("%s: %v, %d streams", name, err, len(d.Medias))
		}
		if m := d.Medias[0]; m.Profile != headers.TransportProfileSAVP || m.KeyMgmtMikey == nil || d.Medias[1].Profile != headers.TransportProfileAVP {
			t.Errorf("%s: %+v", name, m)
		}
	}
}

// FuzzReadCamera: what is found in a description, the library takes.
func FuzzReadCamera(f *testing.F) {
	for _, tt := range damages {
		f.Add(tt.text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		list := readCamera(text, sdp.Video, sdp.Audio)
		if out := libraryText(text, list...); len(list) > 0 && !libraryReads(out) {
			t.Fatalf("%q becomes %q", text, out)
		}
		for _, st := range list {
			if f := &st.format; f.ID == "" || !f.Fits(st.kind) || !format.ValidFmtp(f.Fmtp) {
				t.Fatalf("%q becomes %+v", text, f)
			}
			sps, _ := st.format.Parameter("sprop-parameter-sets")
			codec.ParameterSets(sps)
		}
	})
}
