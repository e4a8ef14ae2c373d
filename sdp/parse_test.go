package sdp

import (
	"reflect"
	"strings"
	"testing"
)

const head = "v=0\no=- 1 1 IN IP4 127.0.0.1\ns=-\nt=0 0\n"

const creds = "a=ice-ufrag:abcd\na=ice-pwd:0123456789abcdef012345\na=fingerprint:sha-256 AB:CD\na=setup:actpass\n"

func TestParseErrors(t *testing.T) {
	audio := "m=audio 9 UDP/TLS/RTP/SAVPF 0\n"
	long := "m=audio 9 UDP/TLS/RTP/SAVPF" + strings.Repeat(" 1", 1000)
	tests := []struct{ name, text, want string }{
		{"empty", "", "Invalid SDP (doesn't start with v=)"},
		{"no sdp", "hello", "Invalid SDP (doesn't start with v=)"},
		{"only version", "v=0\r\n", "Missing mandatory lines (o=, s= or m=)"},
		{"no section", head, "Missing mandatory lines (o=, s= or m=)"},
		{"no origin", "v=0\ns=-\nt=0 0\n" + audio, "Missing mandatory lines (o=, s= or m=)"},
		{"no name", "v=0\no=- 1 1 IN IP4 1.1.1.1\n" + audio, "Missing mandatory lines (o=, s= or m=)"},
		{"short line", head + "x\n", "Invalid line (1 bytes): x"},
		{"empty value", head + "a=\n", "Invalid line (2 bytes): a="},
		{"no equals", head + "audio\n", "Invalid line (2nd char is not '='): audio"},
		{"version", "v=1\n", "Invalid v= line: v=1"},
		{"origin", "v=0\no=- x 1 IN IP4 1.1.1.1\n", "Invalid o= line: o=- x 1 IN IP4 1.1.1.1"},
		{"origin fields", "v=0\no=- 1 1\n", "Invalid o= line: o=- 1 1"},
		{"origin family", "v=0\no=- 1 1 IN IP5 1.1.1.1\n", "Invalid o= line (unsupported protocol IP5): o=- 1 1 IN IP5 1.1.1.1"},
		{"two origins", head + "o=- 1 1 IN IP4 1.1.1.1\n", "Multiple o= lines: o=- 1 1 IN IP4 1.1.1.1"},
		{"two names", head + "s=x\n", "Multiple s= lines: s=x"},
		{"time", "v=0\nt=0\n", "Invalid t= line: t=0"},
		{"time text", "v=0\nt=0 now\n", "Invalid t= line: t=0 now"},
		{"connection", head + "c=IN IP4\n", "Invalid c= line: c=IN IP4"},
		{"connection family", head + "c=IN IPX 1.1.1.1\n", "Invalid c= line (unsupported protocol IPX): c=IN IPX 1.1.1.1"},
		{"bad second connection", head + audio + "c=IN IP4 1.1.1.1\nc=IN IP4\n", "Invalid c= line: c=IN IP4"},
		{"origin with a sign", "v=0\no=- -1 1 IN IP4 1.1.1.1\n", "Invalid o= line: o=- -1 1 IN IP4 1.1.1.1"},
		{"empty number", "v=0\nt= 0\n", "Invalid t= line: t= 0"},
		{"bandwidth without number", head + audio + "b=AS:\n", "Invalid b= line: b=AS:"},
		{"bandwidth with two points", head + audio + "b=AS:1.2.3\n", "Invalid b= line: b=AS:1.2.3"},
		{"bandwidth", head + audio + "b=AS\n", "Invalid b= line: b=AS"},
		{"bandwidth text", head + audio + "b=AS:x\n", "Invalid b= line: b=AS:x"},
		{"media", head + "m=audio 9\n", "Invalid m= line: m=audio 9"},
		{"media port", head + "m=audio x RTP/AVP 0\n", "Invalid m= line: m=audio x RTP/AVP 0"},
		{"media port range", head + "m=audio 65536 RTP/AVP 0\n", "Invalid m= line: m=audio 65536 RTP/AVP 0"},
		{"no formats", head + "m=audio 9 RTP/AVP\n", "Invalid m= line (no payload types/formats): m=audio 9 RTP/AVP"},
		{"media too long", head + long + "\n", "Invalid m= line (too long): 2027"},
		{"empty attribute", head + audio + "a=mid:\n", "Invalid a= line: a=mid:"},
		{"attribute without name", head + audio + "a=:x\n", "Invalid a= line: a=:x"},
		{"empty setup", head + audio + "a=setup: \n", "Invalid a= line: a=setup: "},
		{"mid without value", head + audio + "a=mid\n", "Invalid a= line: a=mid"},
		{"setup without value", head + audio + "a=setup\n", "Invalid a= line: a=setup"},
		{"long mid", head + audio + "a=mid:12345678901234567\n", "Invalid a= line (mid longer than 16 characters): a=mid:12345678901234567"},
		{"too many sections", head + strings.Repeat(audio, MaxSections+1), "Invalid SDP (too many m= lines)"},
		{"too long", head + audio + strings.Repeat("a=x\n", MaxSize/4), "Invalid SDP (too long): 65605"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d, err := Parse(tt.text)
			if err == nil || err.Error() != tt.want {
				t.Fatalf("got %v, %v, want %s", d, err, tt.want)
			}
		})
	}
}

func TestParseSessionLevel(t *testing.T) {
	d := mustParse(t, readOffer(t, "firefox_avd"))
	want := []string{"0", "1", "2"}
	if !reflect.DeepEqual(d.Bundle, want) || d.ICEOptions != "trickle" || d.MSIDSemantic != "WMS *" {
		t.Errorf("bundle %v, options %q, semantic %q", d.Bundle, d.ICEOptions, d.MSIDSemantic)
	}
	if d.Origin.Username != "mozilla...THIS_IS_SDPARTA-99.0" || d.Origin.SessionID != 3141592653589793238 {
		t.Errorf("origin %+v", d.Origin)
	}
	for i, s := range d.Sections {
		if len(s.Fingerprints) != 1 || s.Fingerprints[0].Hash != "sha-256" || !strings.HasPrefix(s.Fingerprints[0].Value, "5B:6C:") {
			t.Errorf("section %d: fingerprints %v", i, s.Fingerprints)
		}
		if s.Ufrag != "8f7e6d5c" || s.Setup != SetupActpass || s.Direction != SendRecv {
			t.Errorf("section %d: %q %v %v", i, s.Ufrag, s.Setup, s.Direction)
		}
	}
	text := head + "a=inactive\na=setup:passive\na=ice-ufrag:u\na=ice-pwd:p\na=end-of-candidates\nc=IN IP6 ::1\n" +
		"m=audio 9 RTP/SAVPF 0\nm=video 9 RTP/SAVPF 96\na=sendonly\na=ice-ufrag:v\na=ice-pwd:q\nc=IN IP4 1.2.3.4\n"
	d = mustParse(t, text)
	a, v := d.Sections[0], d.Sections[1]
	if a.Direction != Inactive || a.Setup != SetupPassive || a.Ufrag != "u" || a.Pwd != "p" || !a.EndOfCandidates || a.Address != "::1" {
		t.Errorf("not inherited: %+v", a)
	}
	if v.Direction != SendOnly || v.Ufrag != "v" || v.Pwd != "q" || v.Address != "1.2.3.4" {
		t.Errorf("overridden by the session level: %+v", v)
	}
}

func TestParseSection(t *testing.T) {
	s := mustParse(t, readOffer(t, "firefox_avd")).Sections[1]
	var got []string
	for _, c := range s.Codecs {
		got = append(got, c.ID()+" "+utoa(uint64(c.PT))+" "+utoa(uint64(c.RTX)))
	}
	want := []string{"vp8 120 124", "vp9 121 125", "h264 126 127", "h264 97 98"}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("codecs %v, want %v", got, want)
	}
	if fb := s.Codecs[0].Feedback; !reflect.DeepEqual(fb, []string{"nack", "nack pli", "ccm fir", "goog-remb", "transport-cc"}) {
		t.Errorf("feedback %v", fb)
	}
	if e := s.Extensions[3]; e != (Extension{6, URIPlayoutDelay, RecvOnly, true}) {
		t.Errorf("extension %+v", e)
	}
	if s.CNAME != "{deadbeef-0001-4002-8003-000000000004}" || s.Track != "{20304050-6070-4809-8a0b-c0d0e0f00112}" {
		t.Errorf("cname %q, track %q", s.CNAME, s.Track)
	}
	if got, want := s.Sources(), []SSRCPair{{876543210, 765432109}}; !reflect.DeepEqual(got, want) {
		t.Errorf("sources %v, want %v", got, want)
	}
	s = mustParse(t, readOffer(t, "chrome_audio_cands")).Sections[0]
	if len(s.Candidates) != 2 || !strings.HasPrefix(s.Candidates[0], "4077567720 1 udp") || s.Port != 58071 {
		t.Errorf("port %d, candidates %v", s.Port, s.Candidates)
	}
}

func TestParseLenience(t *testing.T) {
	text := "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\ni=info\r\nt=0 0\r\n\r\n" +
		"m=video 9 RTP/SAVPF 96 97 98 99 300 x 96\r\nb=RS:1\r\nb=TIAS:500000\r\nb=AS:7\r\n" +
		"a=rtcp-fb:* nack\r\na=rtcp-fb:96 nack\r\na=rtpmap:96 vp8/90000\r\na=rtpmap:97 rtx/90000\r\na=fmtp:97 apt=96\r\n" +
		"a=rtpmap:98 rtx/90000\r\na=fmtp:98 apt=55\r\na=rtpmap:77 VP9/90000\r\na=fmtp:96 a=1\r\na=fmtp:96 b=2\r\n" +
		"a=extmap:0 urn:x\r\na=extmap:4/nowhere urn:y\r\na=ssrc:-5 cname:x\r\na=ssrc:5 msid:s t\r\na=x:y:z\r\na=flag\r\n" +
		"a=fingerprint:sha-1 aa:bb\r\na=fingerprint:sha-256 cc:dd\r\na=fingerprint:sha-512 ee:ff\r\n"
	s := mustParse(t, text).Sections[0]
	if len(s.Codecs) != 2 || s.Codecs[0].RTX != 97 || s.Codecs[1].PT != 99 {
		t.Errorf("codecs %+v", s.Codecs)
	}
	if c := s.Codecs[0]; c.ID() != VP8 || c.Fmtp != "a=1;b=2" || !reflect.DeepEqual(c.Feedback, []string{"nack"}) {
		t.Errorf("codec %+v", c)
	}
	if s.MID != "0" || s.Direction != SendRecv || s.Bandwidth != (Bandwidth{"TIAS", 500000}) || len(s.Extensions) != 0 {
		t.Errorf("section %+v", s)
	}
	if s.Stream != "s" || s.Track != "t" || !reflect.DeepEqual(s.SSRCs, []uint32{5}) {
		t.Errorf("msid %q %q, ssrcs %v", s.Stream, s.Track, s.SSRCs)
	}
	if want := []Attribute{{"x", "y:z"}, {"flag", ""}}; !reflect.DeepEqual(s.Attributes, want) {
		t.Errorf("attributes %v", s.Attributes)
	}
	if want := []Fingerprint{{"sha-1", "AA:BB"}, {"sha-256", "CC:DD"}, {"sha-512", "EE:FF"}}; !reflect.DeepEqual(s.Fingerprints, want) {
		t.Errorf("fingerprints %v", s.Fingerprints)
	}
}

func TestParsePorts(t *testing.T) {
	d := mustParse(t, head+"m=audio 0 RTP/SAVPF 0\nm=video 0 RTP/SAVPF 96\nm=video 0 RTP/SAVPF 96\na=bundle-only\nm=text 9 RTP/AVP 98\n")
	for i, want := range []int{0, 0, 9, 9} {
		if got := d.Sections[i].Port; got != want {
			t.Errorf("section %d: port %d, want %d", i, got, want)
		}
	}
	if s := d.Sections[3]; s.Kind != Other || s.Media != "text" || s.MID != "3" {
		t.Errorf("unknown media: %+v", s)
	}
}

func TestDataFormats(t *testing.T) {
	tests := []struct {
		lines string
		want  DataFormat
	}{
		{"m=application 9 UDP/DTLS/SCTP webrtc-datachannel\na=sctp-port:5000\n", SCTPPort},
		{"m=application 9 TCP/DTLS/SCTP webrtc-datachannel\na=sctp-port:5000\n", SCTPPort},
		{"m=application 9 DTLS/SCTP 5000\na=sctpmap:5000 webrtc-datachannel 256\n", SCTPMap},
		{"m=application 9 DTLS/SCTP webrtc-datachannel\na=sctp-port:5000\n", SCTPPort},
		{"m=application 9 UDP/BFCP *\n", DataNone},
	}
	for _, tt := range tests {
		if got := mustParse(t, head+tt.lines).Sections[0].Data; got != tt.want {
			t.Errorf("%q: %v, want %v", tt.lines, got, tt.want)
		}
	}
}

func TestDirection(t *testing.T) {
	for _, tt := range []struct {
		d, reverse  Direction
		sends, recs bool
	}{{Inactive, Inactive, false, false}, {SendOnly, RecvOnly, true, false}, {RecvOnly, SendOnly, false, true}, {SendRecv, SendRecv, true, true}} {
		if tt.d.Reverse() != tt.reverse || tt.d.Sends() != tt.sends || tt.d.Receives() != tt.recs {
			t.Errorf("%v: reverse %v, sends %v, receives %v", tt.d, tt.d.Reverse(), tt.d.Sends(), tt.d.Receives())
		}
		if tt.d.And(SendRecv) != tt.d || tt.d.And(Inactive) != Inactive {
			t.Errorf("%v: And", tt.d)
		}
	}
}

func TestValidate(t *testing.T) {
	audio := "m=audio 9 RTP/SAVPF 0\n"
	tests := []struct {
		name, text string
		encrypted  bool
		want       error
	}{
		{"complete", head + audio + creds, true, nil},
		{"at session level", head + creds + audio, true, nil},
		{"no ufrag", head + audio + "a=ice-pwd:p\na=fingerprint:sha-256 AB\n", true, ErrProcessing},
		{"no password", head + audio + "a=ice-ufrag:u\na=fingerprint:sha-256 AB\n", true, ErrProcessing},
		{"no fingerprint", head + audio + "a=ice-ufrag:u\na=ice-pwd:p\n", true, ErrProcessing},
		{"plain", head + audio + "a=ice-ufrag:u\na=ice-pwd:p\n", false, nil},
		{"unknown hash", head + audio + "a=ice-ufrag:u\na=ice-pwd:p\na=fingerprint:md5 AB\n", true, ErrProcessing},
		{"long password", head + audio + "a=ice-ufrag:u\na=ice-pwd:" + strings.Repeat("p", 257) + "\na=fingerprint:sha-256 AB\n", true, ErrProcessing},
		{"only sha-384", head + audio + "a=ice-ufrag:u\na=ice-pwd:p\na=fingerprint:sha-384 AB\n", true, nil},
		{"only sha-512", head + audio + "a=ice-ufrag:u\na=ice-pwd:p\na=fingerprint:sha-512 AB\n", true, nil},
		{"sha-1", head + audio + "a=ice-ufrag:u\na=ice-pwd:p\na=fingerprint:SHA-1 ab\n", true, nil},
		{"only in second section", head + audio + audio + creds, true, ErrProcessing},
		{"nothing in use", head + "m=audio 0 RTP/SAVPF 0\n", true, nil},
		{"first section out of use", head + "m=audio 0 RTP/SAVPF 0\n" + audio + creds, true, nil},
		{"msid of one token", head + audio + creds + "a=msid:stream\n", true, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := mustParse(t, tt.text).Validate(tt.encrypted); got != tt.want {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}

func TestUpdate(t *testing.T) {
	old := mustParse(t, readOffer(t, "chrome_avd"))
	same := mustParse(t, readOffer(t, "chrome_avd")+"m=video 9 UDP/TLS/RTP/SAVPF 96\na=mid:3\n")
	restarts := func(d *Description) bool { return d.PeerTransport(nil).Restarts(old.PeerTransport(nil)) }
	if err := same.ValidateUpdate(old, nil); err != nil || restarts(same) {
		t.Errorf("appended section: %v, restart %v", err, restarts(same))
	}
	for _, edit := range []string{"ufrag:OBYC", "pwd:glOq"} {
		d := mustParse(t, strings.ReplaceAll(readOffer(t, "chrome_avd"), edit, edit+"x"))
		if !restarts(d) {
			t.Errorf("changed %s is no restart", edit)
		}
	}
	if err := mustParse(t, readOffer(t, "chrome_video")).ValidateUpdate(old, nil); err != ErrProcessing {
		t.Errorf("changed kind: %v", err)
	}
	reused := mustParse(t, head+"m=audio 9 RTP/SAVPF 0\nm=audio 9 RTP/SAVPF 0\n")
	unused := mustParse(t, head+"m=audio 9 RTP/SAVPF 0\nm=video 0 RTP/SAVPF 0\n")
	if err := reused.ValidateUpdate(unused, nil); err != nil {
		t.Errorf("recycled section: %v", err)
	}
}

// tolerated are descriptions that some clients write and that can be understood.
func tolerated() map[string]string {
	var formats strings.Builder
	for i := range 61 {
		formats.WriteString(" " + utoa(uint64(i+67)))
	}
	audio := "m=audio 9 UDP/TLS/RTP/SAVPF 0\n" + creds
	return map[string]string{
		"61 payload types":                 head + "m=video 9 UDP/TLS/RTP/SAVPF" + formats.String() + "\n" + creds,
		"numbers over 64 bits":             strings.Replace(head, "- 1 1", "- 18446744073709551616 99999999999999999999999", 1) + audio,
		"times over 64 bits":               strings.Replace(head, "t=0 0", "t=18446744073709551616 18446744073709551617", 1) + audio,
		"no name":                          strings.Replace(head, "s=-", "s=", 1) + audio,
		"empty information":                strings.Replace(head, "s=-", "s=-\ni=", 1) + audio + "i=\n",
		"empty values of attributes":       head + "a=group:\na=y:\n" + audio + "a=x:\na=msid:\na=candidate:\na=ice-options:\na=rid:\na=ssrc:\na=fmtp:\n",
		"bandwidth with a fraction":        head + audio + "b=AS:500.5\n",
		"two c= lines of the session":      head + "c=IN IP4 1.1.1.1\nc=IN IP4 2.2.2.2\n" + audio,
		"two c= lines of a section":        head + audio + "c=IN IP4 1.1.1.1\nc=IN IP4 2.2.2.2\n",
		"a blank first line":               "\r\n\r\n" + head + audio,
		"extensions of the session":        head + "a=extmap:4 " + URIMID + "\n" + audio,
		"extensions of both, not the same": head + "a=extmap:4 " + URIMID + "\na=extmap:2 urn:x\na=extmap:3 urn:y\n" + audio + "a=extmap:5 " + URIMID + "\na=extmap:2 urn:z\n",
	}
}

func TestParseTolerance(t *testing.T) {
	d := map[string]*Description{}
	for name, text := range tolerated() {
		d[name] = mustParse(t, text)
		if err := d[name].Validate(true); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		exercise(t, text)
	}
	if n := len(d["61 payload types"].Sections[0].Codecs); n != 61 {
		t.Errorf("%d formats", n)
	}
	if o := d["numbers over 64 bits"].Origin; o.SessionID == 0 || o.Version == 0 {
		t.Errorf("origin %+v", o)
	}
	if s := &d["bandwidth with a fraction"].Sections[0]; s.Bandwidth != (Bandwidth{"AS", 500}) {
		t.Errorf("bandwidth %+v", s.Bandwidth)
	}
	for _, name := range []string{"two c= lines of the session", "two c= lines of a section"} {
		if a := d[name].Sections[0].Address; a != "1.1.1.1" {
			t.Errorf("%s: address %s", name, a)
		}
	}
	if s := &d["empty values of attributes"].Sections[0]; len(s.Candidates) != 0 || s.Stream != "" || len(s.Attributes) == 0 {
		t.Errorf("%+v", s)
	}
}

// What the session level maps holds for all sections but where they map the same id or
// the same extension otherwise (RFC 8285, 5).
func TestSessionExtensions(t *testing.T) {
	if got, want := mustParse(t, tolerated()["extensions of both, not the same"]).Sections[0].Extensions,
		[]Extension{{ID: 5, URI: URIMID}, {ID: 2, URI: "urn:z"}, {ID: 3, URI: "urn:y"}}; !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	offer := mustParse(t, head+"a=extmap:4/sendonly "+URIMID+"\nm=audio 9 UDP/TLS/RTP/SAVPF 0\n"+creds+
		"m=video 9 UDP/TLS/RTP/SAVPF 96\na=rtpmap:96 VP8/90000\nm=application 9 UDP/DTLS/SCTP webrtc-datachannel\n")
	a := Answer(offer.Anonymise(), choice(SectionChoice{Extensions: []string{URIMID}})).Complete(offer, nil)
	for i, want := range [][]Extension{{{4, URIMID, RecvOnly, true}}, {{4, URIMID, RecvOnly, true}}, nil} {
		if got := a.Sections[i].Extensions; !reflect.DeepEqual(got, want) {
			t.Errorf("section %d is answered with %v", i, got)
		}
		if n, ok := Negotiate(a, offer, i); !ok || len(n.Extensions) != len(want) {
			t.Errorf("section %d: agreed on %v", i, n.Extensions)
		}
	}
	many := head
	for i := 1; i < 256; i++ {
		many += "a=extmap:" + utoa(uint64(i)) + " urn:" + strings.Repeat("x", 100) + utoa(uint64(i)) + "\n"
	}
	d := mustParse(t, many+strings.Repeat("m=audio 9 RTP/SAVPF 0\n", MaxSections))
	if n := len(d.Sections[MaxSections-1].Extensions); n == 0 || n > maxSessionExtensions {
		t.Errorf("%d extensions for each section", n)
	}
}

// All fingerprints of a level are kept, in their order; those of a section stand instead of
// the session's.
func TestFingerprints(t *testing.T) {
	d := mustParse(t, head+"a=fingerprint:sha-256 AA\na=fingerprint:SHA-256 bb\na=fingerprint:md5 CC\na=fingerprint:sha-256 AA\n"+
		"m=audio 9 RTP/SAVPF 0\nm=audio 9 RTP/SAVPF 0\na=fingerprint:sha-512 DD\n"+strings.Repeat("a=fingerprint:sha-384 EE:0\na=fingerprint:sha-384 EE:1\n", 50))
	if got, want := d.Sections[0].Fingerprints, []Fingerprint{{"sha-256", "AA"}, {"sha-256", "BB"}}; !reflect.DeepEqual(got, want) {
		t.Errorf("of the session: %v", got)
	}
	if got, want := d.Sections[1].Fingerprints, []Fingerprint{{"sha-512", "DD"}, {"sha-384", "EE:0"}, {"sha-384", "EE:1"}}; !reflect.DeepEqual(got, want) {
		t.Errorf("of the section: %v", got)
	}
	if again := mustParse(t, d.String()); !reflect.DeepEqual(again.Sections[1].Fingerprints, d.Sections[1].Fingerprints) ||
		!reflect.DeepEqual(again.Sections[0].Fingerprints, d.Sections[0].Fingerprints) {
		t.Errorf("printed as\n%s", d)
	}
}
