package sdp

import (
	"fmt"
	"testing"
)

// h264Offer is a section with H.264 formats from payload type 100 on, of their
// parameters.
func h264Offer(t *testing.T, fmtps ...string) *Description {
	t.Helper()
	var pts, lines string
	for i, fmtp := range fmtps {
		pts += fmt.Sprint(" ", 100+i)
		lines += fmt.Sprintf("a=rtpmap:%d H264/90000\n", 100+i)
		if fmtp != "" {
			lines += fmt.Sprintf("a=fmtp:%d %s\n", 100+i, fmtp)
		}
	}
	return mustParse(t, head+"m=video 9 UDP/TLS/RTP/SAVPF"+pts+"\na=mid:v\n"+lines)
}

// TestH264SubProfiles follows RFC 6184, table 5: what stands in one row is one
// profile, whatever its level is.
func TestH264SubProfiles(t *testing.T) {
	rows := [][]string{
		{"42e01f", "42c01f", "42E034", "42400a", "42500b", "42f01e", "4d801f", "4dc00b", "4de028", "58c01f", "58f00b"}, // constrained baseline
		{"42001f", "428033", "42a00a", "42300b", "58801f", "58b01f"},                                                   // baseline
		{"4d001f", "4d0032", "4d401f", "4d5029", "4D100b"},                                                             // main
		{"58001f", "58300b"}, // extended
		{"640034", "64000a"}, // high
		{"640c34", "640c1f"}, // constrained high
		{"6e001f"}, {"6e101f"}, {"7a001f"}, {"7a101f"}, {"f4001f"}, {"f4101f"}, {"2c101f"},
		{"42e11f"}, {"4d201f"}, {"64081f"}, // in no row
	}
	for i, row := range rows {
		for _, wanted := range row {
			for j, other := range rows {
				for _, offered := range other {
					d := h264Offer(t, "packetization-mode=1;profile-level-id="+offered)
					if _, ok := d.Sections[0].FindCodec(H264, wanted); ok != (i == j) {
						t.Errorf("%s fits %s: %v", offered, wanted, ok)
					}
				}
			}
		}
	}
	for _, bad := range []string{"", "42e0", "42e01f00", "42e01g", "0x42e0", "+2e01f", "x"} {
		d := h264Offer(t, "packetization-mode=1;profile-level-id="+bad)
		for _, wanted := range []string{"42e01f", "x"} {
			if _, ok := d.Sections[0].FindCodec(H264, wanted); ok {
				t.Errorf("%q fits %s", bad, wanted)
			}
		}
	}
	// What says nothing is baseline of level 1 (RFC 6184, 8.1).
	d := h264Offer(t, "packetization-mode=1")
	if _, ok := d.Sections[0].FindCodec(H264, "42001f"); !ok {
		t.Error("no profile-level-id is not the baseline profile")
	}
	if _, ok := d.Sections[0].FindCodec(H264, "42e01f"); ok {
		t.Error("no profile-level-id is the constrained baseline profile")
	}
}

// TestH264Answers: the profile and the packetization mode are those of the offered
// format, the level is the lower one (RFC 6184, 8.2.2).
func TestH264Answers(t *testing.T) {
	one := func(id string) string { return "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=" + id }
	none := func(id string) string { return "profile-level-id=" + id }
	zero := func(id string) string { return "packetization-mode=0;profile-level-id=" + id }
	wanted := func(id string) SectionChoice { return SectionChoice{Profile: id} }
	for name, tt := range map[string]struct {
		offer  []string
		choice SectionChoice
		want   string // payload type and parameters, "" if rejected
	}{
		"the second fits":     {[]string{one("640c34"), one("42e034")}, wanted("42e01f"), "101 profile-level-id=42e01f;packetization-mode=1"},
		"other bits":          {[]string{one("640c34"), one("42c01f")}, wanted("42e01f"), "101 profile-level-id=42c01f;packetization-mode=1"},
		"main":                {[]string{one("42e01f"), one("4d0032")}, wanted("4d001f"), "101 profile-level-id=4d001f;packetization-mode=1"},
		"a lower level":       {[]string{one("42e00d")}, wanted("42e01f"), "100 profile-level-id=42e00d;packetization-mode=1"},
		"level 1b":            {[]string{one("42f00b")}, wanted("42e00b"), "100 profile-level-id=42f00b;packetization-mode=1"},
		"as it was wanted":    {[]string{one("42E01F")}, wanted("42e01f"), "100 profile-level-id=42e01f;packetization-mode=1"},
		"mode 1 first":        {[]string{none("42e01f"), zero("42e01f"), one("42c034")}, wanted("42e01f"), "102 profile-level-id=42e01f;packetization-mode=1"},
		"no mode is mode 0":   {[]string{none("42e01f"), one("640c1f")}, wanted("42e01f"), "100 profile-level-id=42e01f;packetization-mode=0"},
		"mode 0":              {[]string{zero("42e01f")}, wanted("42e01f"), "100 profile-level-id=42e01f;packetization-mode=0"},
		"none fits":           {[]string{none("42e01f"), one("640c1f")}, wanted("4d001f"), "101 " + one("640c1f")},
		"none fits, required": {[]string{one("640c1f")}, SectionChoice{Profile: "42e01f", ProfileRequired: true}, ""},
		"level and required":  {[]string{one("42e034")}, SectionChoice{Profile: "42e01f", ProfileRequired: true}, "100 profile-level-id=42e01f;packetization-mode=1"},
		"no wish":             {[]string{none("42e01f"), one("640c1f"), one("42e01f")}, SectionChoice{}, "101 " + one("640c1f")},
		"no wish, mode 0":     {[]string{"", zero("640c1f")}, SectionChoice{}, "100 "},
		"baseline":            {[]string{"packetization-mode=1"}, wanted("42001f"), "100 profile-level-id=42000a;packetization-mode=1"},
		"interleaved":         {[]string{"packetization-mode=2;profile-level-id=42e01f"}, SectionChoice{}, ""},

		"own parameters":    {[]string{one("640c34"), one("42e01f")}, SectionChoice{Fmtp: "x=y;" + one("42c01e")}, "101 x=y;" + one("42c01e")},
		"own, mode 0":       {[]string{one("640c34"), one("42e01f")}, SectionChoice{Fmtp: none("42e01f")}, "101 " + one("42e01f")},
		"own, higher level": {[]string{one("42e01f")}, SectionChoice{Fmtp: one("42e028")}, "100 " + one("42e01f")},
		"own, none fits":    {[]string{zero("42e01f"), one("42e01f")}, SectionChoice{Fmtp: one("640028")}, "101 " + one("42e01f")},
	} {
		t.Run(name, func(t *testing.T) {
			offer := h264Offer(t, tt.offer...)
			tt.choice.Codecs = []string{H264}
			s := Answer(offer.Anonymise(), choice(tt.choice)).Sections[0]
			got := ""
			if !s.Rejected() {
				got = fmt.Sprint(s.Codecs[0].PT, " ", s.Codecs[0].Fmtp)
			}
			if got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

// TestH264Offer: an offer says which profile is meant.
func TestH264Offer(t *testing.T) {
	for _, tt := range []struct{ profile, fmtp, want string }{
		{"", "", "profile-level-id=" + DefaultH264Profile + ";packetization-mode=1"},
		{"640c1f", "", "profile-level-id=640c1f;packetization-mode=1"},
		{"640c1f", "packetization-mode=1", "packetization-mode=1"},
		{"42e01f;x", "", "profile-level-id=" + DefaultH264Profile + ";packetization-mode=1"},
	} {
		d := Offer(OfferOptions{Sections: []OfferSection{{Kind: Video, Codec: H264, Profile: tt.profile, Fmtp: tt.fmtp}}})
		if got := d.Sections[0].Codecs[0].Fmtp; got != tt.want {
			t.Errorf("%+v: %s", tt, got)
		}
	}
	for profile, want := range map[string]string{"": "", "2": "profile-id=2", "x": "", "2;x": ""} {
		d := Offer(OfferOptions{Sections: []OfferSection{{Kind: Video, Codec: VP9, Profile: profile}}})
		if got := d.Sections[0].Codecs[0].Fmtp; got != want {
			t.Errorf("VP9 %q: %s", profile, got)
		}
	}
}
