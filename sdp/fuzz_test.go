package sdp

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	pion "github.com/pion/sdp/v3"
)

// seeds are all descriptions that we have.
func seeds(t testing.TB) []string {
	var list []string
	for _, pattern := range []string{"testdata/offers/*.sdp", "testdata/seeds/*.sdp"} {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			t.Fatal(pattern, err)
		}
		for _, f := range files {
			b, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			list = append(list, string(b))
		}
	}
	some := tolerated()
	for _, name := range slices.Sorted(maps.Keys(some)) {
		list = append(list, some[name])
	}
	list = append(list,
		head+"m=video 9 RTP/SAVPF 96 97 98 99\na=rtpmap:96 H264/90000\na=fmtp:96 packetization-mode=1;profile-level-id=640c34\n"+
			"a=rtpmap:97 H264/90000\na=fmtp:97 profile-level-id=42f00b\na=rtpmap:98 h264/90000\na=fmtp:98 profile-level-id=;packetization-mode=2\n"+
			"a=rtpmap:99 H264/90000\na=fmtp:99 PACKETIZATION-MODE= 1 ; Profile-Level-Id=4D8009\n")
	return append(list, rejections()...)
}

// rejections are descriptions with sections that are out of use, and of their edges.
func rejections() []string {
	return []string{offChromium, offFirefox, offFirefox + off("1"), head + off("0") + off("0"), head + creds + section("a", "") + off("a") + "m=audio 0 RTP/SAVPF 0\n",
		head + "a=group:BUNDLE b x b a\n" + section("a", "A1") + section("b", "B1") + "m=video 0 RTP/SAVPF 96\na=mid:c\na=bundle-only\n",
		head + "a=group:BUNDLE a b\n" + "m=audio 0 RTP/SAVPF 0\na=mid:a\na=bundle-only\n" + section("b", "B1") + "a=msid:-\na=fingerprint:sha-512 01\na=fingerprint:sha-1 02\n",
		sipPeer, video("a=rid:h send max-width=5\na=rid:l send\na=simulcast: send rid=h;~l\n"),
		head + "a=inactive\nm=audio 0 RTP/SAVPF 0 *\nm=text 9 RTP/AVP 98\nm=application 9 DTLS/SCTP 5000\na=sctpmap:5000 webrtc-datachannel 16\n"}
}

// exercise runs everything that a stranger's description goes through.
func exercise(t *testing.T, text string) {
	d, err := Parse(text)
	if err != nil {
		return
	}
	once := d.String()
	if len(once) > MaxSize {
		return // defaults made explicit: too long for Parse
	}
	d2, err := Parse(once)
	if err != nil {
		t.Fatalf("own text is not understood: %v\n%q\n%q", err, text, once)
	}
	if twice := d2.String(); twice != once {
		t.Fatalf("not stable:\n%q\n%q", once, twice)
	}
	_ = d.Validate(true)
	_ = d.ValidateUpdate(d2, nil)
	_, err = Parse(d.Anonymised())
	if err != nil {
		t.Fatalf("anonymised text is not understood: %v\n%q", err, text)
	}
	local := Answer(d.Anonymise(), echoOptions("", "")).Complete(d, nil)
	if len(local.Sections) != len(d.Sections) {
		t.Fatalf("%d sections answer %d", len(local.Sections), len(d.Sections))
	}
	answer := local.Marshal(testTransport, testSources, d)
	if answer != local.WithTransport(testTransport, testSources).String() {
		t.Fatalf("completing twice changes:\n%s", answer)
	}
	back, err := Parse(answer)
	if err != nil {
		t.Fatalf("own answer is not understood: %v\n%q\n%q", err, text, answer)
	}
	if tagged, ok := d.Tagged(local); ok && (local.Bundle[0] != d.Sections[tagged].MID || back.Bundle[0] != local.Bundle[0]) {
		t.Fatalf("group %v, but section %d has the transport", back.Bundle, tagged)
	}
	mids := map[string]bool{}
	for i := range d.Sections {
		if mid := d.Sections[i].MID; mid == "" || mids[mid] || back.Sections[i].MID != mid {
			t.Fatalf("section %d has mid %q, in the answer %q", i, mid, back.Sections[i].MID)
		}
		mids[d.Sections[i].MID] = true
		if d.Sections[i].Rejected() && !back.Sections[i].Rejected() {
			t.Fatalf("section %d is rejected, but answered", i)
		}
		d.Simulcast(i, "")
		Negotiate(local, d, i)
		if back.Sections[i].Kind != d.Sections[i].Kind {
			t.Fatalf("section %d changed its kind", i)
		}
	}
	for _, c := range []SectionChoice{{Profile: "42e01f"}, {Profile: "4d001f", ProfileRequired: true}, {Fmtp: "profile-level-id=42c00b"}} {
		c.Codecs = []string{H264}
		a := Answer(d, choice(c))
		for i := range a.Sections {
			if s := &a.Sections[i]; !s.Rejected() && len(s.Codecs) > 0 {
				checkH264(t, &d.Sections[i], &s.Codecs[0])
			}
		}
	}
	relayed := d.Anonymise().Marshal(testTransport, testSources, nil)
	if len(relayed) > 8*MaxSize {
		t.Fatalf("%d bytes became %d", len(text), len(relayed))
	}
}

// checkH264 checks that an answered format was offered in the same mode.
func checkH264(t *testing.T, offered *Section, c *Codec) {
	mode, _ := c.Parameter("packetization-mode")
	for i := range offered.Codecs {
		o := &offered.Codecs[i]
		if m, _ := o.Parameter("packetization-mode"); o.PT == c.PT && (m == "1") == (mode == "1") {
			return
		}
	}
	t.Fatalf("%d %q was not offered", c.PT, c.Fmtp)
}

// TestLarge fills descriptions with as much of one line as fits.
func TestLarge(t *testing.T) {
	formats := "m=video 9 RTP/SAVPF"
	for pt := 80; pt < 123; pt++ {
		formats += " " + strconv.Itoa(pt)
	}
	for _, line := range []string{"a=rtcp-fb:* x%d\n", "a=rtcp-fb:96 x%d\n", "a=fmtp:96 x%d\n", "a=ssrc:%d cname:x\n",
		"a=ssrc-group:FID 1 %d\n", "a=rid:%d send\n", "a=extmap:%d urn:x\n", "a=x%d\n", "a=candidate:%d\n",
		"a=simulcast:send a;b;%d\n", "a=msid:%d x\n", "a=fingerprint:sha-256 %d\n", "m=audio 9 RTP/SAVPF 0 %d\na=mid:x\n"} {
		var b strings.Builder
		b.WriteString(head + creds + formats + "\n")
		for i := 1; i < 1000; i++ {
			fmt.Fprintf(&b, line, i)
		}
		exercise(t, b.String())
	}
	var b strings.Builder
	b.WriteString(head + "a=ice-ufrag:" + strings.Repeat("u", 10000) + "\na=ice-pwd:" + strings.Repeat("p", 256) + "\n")
	for range MaxSections {
		b.WriteString("m=video 9 RTP/SAVPF 96 97\na=rtpmap:96 VP8/90000\na=rtpmap:97 rtx/90000\na=fmtp:97 apt=96\n")
	}
	d := mustParse(t, b.String())
	if n := len(d.String()); n > 4*MaxSize {
		t.Errorf("%d bytes became %d", b.Len(), n)
	}
}

func TestSeeds(t *testing.T) {
	for _, text := range seeds(t) {
		d := mustParse(t, text)
		exercise(t, text)
		checkValid(t, d.String())
		var p pion.SessionDescription
		if err := p.Unmarshal([]byte(d.String())); err != nil || len(p.MediaDescriptions) != len(d.Sections) {
			t.Errorf("%v, %d sections", err, len(p.MediaDescriptions))
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, text := range seeds(f) {
		f.Add(text)
	}
	f.Fuzz(exercise)
}
