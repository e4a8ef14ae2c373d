package sdp

import (
	"slices"
	"strings"
	"testing"
)

const (
	vp8  = "a=rtpmap:96 VP8/90000\n"
	save = "UDP/TLS/RTP/SAVPF"
	// offChromium is what Chromium offers after stop() of its first transceiver, and
	// offFirefox the same as Firefox has it.
	offChromium = head + "a=group:BUNDLE 1\nm=audio 0 " + save + " 111\na=mid:0\na=inactive\na=rtcp-mux\na=rtpmap:111 opus/48000/2\n" +
		"m=video 9 " + save + " 96\n" + creds + "a=mid:1\na=sendrecv\n" + vp8
	offFirefox = head + "a=group:BUNDLE 1\nm=audio 0 " + save + " 0\nc=IN IP4 0.0.0.0\na=inactive\n" +
		"m=video 9 " + save + " 96\n" + creds + "a=mid:1\na=sendrecv\n" + vp8
)

// linesOf are the lines that show which sections are in use.
func linesOf(text string) string {
	var list []string
	for line := range strings.SplitSeq(text, "\r\n") {
		if strings.HasPrefix(line, "m=") || strings.HasPrefix(line, "a=group") || strings.HasPrefix(line, "a=mid") {
			list = append(list, line)
		}
	}
	return strings.Join(list, "\n")
}

// What is offered with port 0 is answered with port 0 (RFC 3264, 8.2), and is not in
// the group (RFC 9143, 7.3.3), the first section like all others.
func TestAnswerFirstRejected(t *testing.T) {
	for name, text := range map[string]string{
		"Chromium": offChromium, "Firefox": offFirefox,
		"no group": strings.ReplaceAll(offChromium, "a=group:BUNDLE 1\n", ""),
		"with a transport": strings.ReplaceAll(offChromium, "a=mid:0\n",
			"a=mid:0\na=ice-ufrag:old\na=ice-pwd:0123456789012345678901\na=fingerprint:sha-256 00:00\na=setup:active\n"),
	} {
		t.Run(name, func(t *testing.T) {
			offer := mustParse(t, text)
			if err := offer.Validate(true); err != nil {
				t.Fatal(err)
			}
			got := print(t, Answer(offer.Anonymise(), AnswerOptions{}), offer)
			if want := "a=group:BUNDLE 1\nm=audio 0 " + save + " 0\na=mid:0\nm=video 9 " + save + " 96\na=mid:1"; linesOf(got) != want {
				t.Errorf("got\n%s\nwant\n%s", linesOf(got), want)
			}
			if tr := offer.PeerTransport(nil); tr.Section != 1 || tr.Ufrag != "abcd" || tr.Setup != SetupActpass {
				t.Errorf("transport %+v", tr)
			}
		})
	}
}

// A section without mid gets one that no other has.
func TestMadeUpMIDs(t *testing.T) {
	off := "m=audio 0 " + save + " 0\n"
	for _, tt := range []struct{ text, want string }{
		{off + off, "0 1"},
		{off + "m=video 9 " + save + " 96\na=mid:0\n", "1 0"},
		{off + off + "m=video 9 " + save + " 96\na=mid:1\n" + off, "0 2 1 3"},
		{off + "a=mid:v\nm=video 9 " + save + " 96\na=mid:v\n", "0 v"},
		{"m=video 9 " + save + " 96\na=mid:v\n" + off + "a=mid:v\n", "v 1"},
	} {
		d := mustParse(t, head+tt.text)
		var got []string
		for i := range d.Sections {
			got = append(got, d.Sections[i].MID)
		}
		if s := strings.Join(got, " "); s != tt.want {
			t.Errorf("%q: %s, want %s", tt.text, s, tt.want)
		}
	}
	if _, err := Parse(head + "m=audio 9 " + save + " 0\na=mid:x\nm=audio 9 " + save + " 0\na=mid:x\n"); err == nil ||
		err.Error() != "Invalid a= line (mid used twice): a=mid:x" {
		t.Errorf("the same mid twice: %v", err)
	}
}

// section is an m-line in use with its own credentials.
func section(mid, ufrag string) string {
	return "m=video 9 " + save + " 96\na=mid:" + mid + "\na=ice-ufrag:" + ufrag + "\na=ice-pwd:p" + ufrag +
		"\na=fingerprint:sha-256 AB:" + ufrag + "\na=candidate:" + ufrag + "\n" + vp8
}

func off(mid string) string { return "m=video 0 " + save + " 0\na=mid:" + mid + "\n" }

func TestTagged(t *testing.T) {
	bundleOnly := "m=video 0 " + save + " 96\na=mid:a\na=bundle-only\n" + vp8
	for _, tt := range []struct {
		name, text, other string
		want              int // -1 for none
	}{
		{"the first of the group", "a=group:BUNDLE b a\n" + section("a", "A1") + section("b", "B1"), "", 1},
		{"the first in use of the group", "a=group:BUNDLE b a\n" + section("a", "A1") + off("b"), "", 0},
		{"no group", off("a") + section("b", "B1") + section("c", "C1"), "", 1},
		{"a group of nothing", "a=group:BUNDLE\n" + section("a", "A1"), "", 0},
		{"a group of what is not there", "a=group:BUNDLE x y\n" + section("a", "A1"), "", 0},
		{"before what is not in the group", "a=group:BUNDLE b\n" + section("a", "A1") + section("b", "B1"), "", 1},
		{"not what has no transport yet", "a=group:BUNDLE a b\n" + bundleOnly + section("b", "B1"), "", 1},
		{"all without transport", "a=group:BUNDLE a\n" + bundleOnly, "", 0},
		{"nothing in use", off("a") + off("b"), "", -1},
		{"what the other rejects", "a=group:BUNDLE a b c\n" + section("a", "A1") + section("b", "B1") + section("c", "C1"),
			off("a") + section("b", "O2") + section("c", "O3"), 1},
		{"all rejected by the other", "a=group:BUNDLE a b\n" + section("a", "A1") + section("b", "B1"), off("a") + off("b"), -1},
		{"what the other does not have", "a=group:BUNDLE b a\n" + section("a", "A1") + section("b", "B1"), section("a", "O1"), 0},
	} {
		d := mustParse(t, head+tt.text)
		var other *Description
		if tt.other != "" {
			other = mustParse(t, head+tt.other)
		}
		i, ok := d.Tagged(other)
		if !ok {
			i = -1
		}
		if i != tt.want {
			t.Errorf("%s: %d, want %d", tt.name, i, tt.want)
		}
	}
}

// Everything that belongs to the transport comes from one section.
func TestPeerTransportMoves(t *testing.T) {
	offer := mustParse(t, head+"a=group:BUNDLE a b\n"+section("a", "A1")+"a=setup:active\n"+section("b", "B1")+"a=setup:passive\na=end-of-candidates\n")
	got := offer.PeerTransport(mustParse(t, head+off("a")+section("b", "O1")))
	if got.Section != 1 || got.Ufrag != "B1" || got.Pwd != "pB1" || got.Fingerprints[0].Value != "AB:B1" || got.Setup != SetupPassive ||
		!slices.Equal(got.Candidates, []string{"B1"}) || !got.EndOfCandidates {
		t.Errorf("%+v", got)
	}
	// A later offer has it in the tagged section only (RFC 9143, 7.1.3), which we may
	// reject all the same.
	later := mustParse(t, head+"a=group:BUNDLE a b\n"+section("a", "A1")+"m=video 9 "+save+" 96\na=mid:b\n"+vp8)
	if got = later.PeerTransport(mustParse(t, head+off("a")+section("b", "O1"))); got.Section != 0 || got.Ufrag != "A1" || got.Fingerprints[0].Value != "AB:A1" {
		t.Errorf("later: %+v", got)
	}
}

// What moves to another section is still the same transport.
func TestNoRestartByMoving(t *testing.T) {
	first := mustParse(t, head+"a=group:BUNDLE 0 1\nm=audio 9 "+save+" 0\n"+creds+"a=mid:0\nm=video 9 "+save+" 96\n"+creds+"a=mid:1\n"+vp8)
	for _, text := range []string{offChromium, offFirefox} {
		if mustParse(t, text).PeerTransport(nil).Restarts(first.PeerTransport(nil)) {
			t.Errorf("ICE restarts with\n%s", text)
		}
	}
	if !mustParse(t, strings.ReplaceAll(offChromium, "abcd", "efgh")).PeerTransport(nil).Restarts(first.PeerTransport(nil)) {
		t.Error("other credentials are no restart")
	}
}

// The group of an answer begins with the section that carries the transport
// (RFC 9143, 7.3), and later offers keep it there.
func TestGroupOrder(t *testing.T) {
	offer := mustParse(t, head+"a=group:BUNDLE c b a\n"+section("a", "A1")+section("b", "B1")+off("c"))
	text := print(t, Answer(offer.Anonymise(), AnswerOptions{}), offer)
	if !strings.Contains(text, "a=group:BUNDLE b a\r\n") {
		t.Errorf("answer:\n%s", text)
	}
	first := Offer(OfferOptions{Sections: []OfferSection{subVideo, subAudio, subVideo}}).Complete(nil, nil)
	if !slices.Equal(first.Bundle, []string{"0", "1", "2"}) {
		t.Errorf("first offer: %v", first.Bundle)
	}
	answer := mustParse(t, head+"a=group:BUNDLE 1 2\n"+off("0")+strings.Replace(section("1", "A1"), "video", "audio", 1)+section("2", "A1"))
	second := Offer(OfferOptions{Sections: []OfferSection{subVideo, subAudio, subVideo, subAudio}}).Complete(answer, first)
	if want := []string{"1", "2", second.Sections[0].MID, "3"}; !slices.Equal(second.Bundle, want) {
		t.Errorf("second offer: %v, want %v", second.Bundle, want)
	}
	if tagged, ok := second.Tagged(nil); tagged != 1 || !ok {
		t.Errorf("second offer: the transport is section %d's", tagged)
	}
	if got := second.WithTransport(testTransport, nil).Bundle; !slices.Equal(got, second.Bundle) {
		t.Errorf("printed: %v", got)
	}
}

// A slot that either side rejected is free for something else (RFC 3264, 8).
func TestSlotUsedAgain(t *testing.T) {
	first := mustParse(t, head+section("a", "A1")+section("b", "A1"))
	answer := Answer(first, AnswerOptions{Choose: func(i int, _ *Section) SectionChoice { return SectionChoice{Reject: i == 0} }}).Complete(first, nil)
	next := mustParse(t, head+"m=audio 9 "+save+" 0\na=mid:c\n"+section("b", "A1"))
	if err := next.ValidateUpdate(first, answer); err != nil {
		t.Errorf("slot that we rejected: %v", err)
	}
	local := Answer(next.Anonymise(), AnswerOptions{}).Complete(next, answer)
	if s := local.Sections[0]; s.MID != "c" || s.Kind != Audio || s.Rejected() {
		t.Errorf("answered by %+v", s)
	}
	if err := next.ValidateUpdate(first, mustParse(t, head+section("a", "O1")+section("b", "O1"))); err != ErrProcessing {
		t.Errorf("slot in use: %v", err)
	}
}
