package gateway

import (
	"fmt"
	"strings"
	"testing"

	"bifrons/sdp"
)

const audioAndVideo = audioOnly + "m=video 9 UDP/TLS/RTP/SAVPF 96\na=mid:1\na=sendonly\na=rtpmap:96 VP8/90000\n"

// bothEnds is a telephone's description of audio and video.
func bothEnds(address, audio, video string, lines ...string) string {
	return crlf("v=0\no=far 1 1 IN IP4 192.0.2.1\ns=call\nc=IN IP4 " + address + "\nt=0 0\nm=audio 41000 RTP/AVP 111 8\na=rtpmap:111 opus/48000/2\na=" + audio +
		"\n" + strings.Join(append(lines, ""), "\n") + "m=video 41002 RTP/AVP 96\na=rtpmap:96 VP8/90000\na=" + video + "\n")
}

// outline is what matters of a description: version, ports, payload types and directions.
func outline(t testing.TB, text string) string {
	t.Helper()
	d, err := sdp.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	out := fmt.Sprint(d.Origin.Version)
	for i := range d.Sections {
		s := &d.Sections[i]
		out += fmt.Sprintf(" %s %v %s", s.Kind, s.Formats, s.Direction)
		if s.Rejected() {
			out += " rejected"
		}
	}
	return out
}

// flowing is what goes through a leg: for each medium what is sent and received, and where to.
func flowing(l *Leg) (out string) {
	for kind, f := range l.flows {
		if f != nil {
			out += fmt.Sprintf("%s %s %s ", sdp.Kind(kind), direction(f), f.to.rtp)
		}
	}
	return out
}

func expect(t testing.TB, what, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("%s:\n%s, want\n%s", what, got, want)
	}
}

// A hold is offered to the far end alone, and in force when that has answered. What the client offers meanwhile goes on with it.
// An offer that is refused changes nothing.
func TestHold(t *testing.T) {
	l := newLeg(t, newConfig(t))
	if _, err := l.Reoffer(sdp.SendOnly); err == nil || err.Code != testCodes.State {
		t.Errorf("a hold without a call: %v", err)
	}
	srtp := SRTP{Offer: true, Suite: suite(t, "AES_CM_128_HMAC_SHA1_80")}
	first := ok[string](t)(l.Offer(browser(t, sdp.TypeOffer, audioAndVideo), srtp))
	crypto := "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:" + key30
	ok[*Remote](t)(l.TakeAnswer(bothEnds("192.0.2.1", "sendrecv", "recvonly", crypto), SRTP{}))
	const all = "audio sendrecv 192.0.2.1:41000 video sendonly 192.0.2.1:41002 "
	expect(t, "agreed", flowing(l), all)

	hold := ok[string](t)(l.Reoffer(sdp.SendOnly))
	expect(t, "hold", outline(t, hold), "2 audio [111 8] sendonly video [96] inactive")
	if keys := cryptos(hold); len(keys) != 1 || keys[0] != cryptos(first)[0] { // that of the video was not taken
		t.Errorf("the keys of\n%s\nare those of\n%s", hold, first)
	}
	expect(t, "before the answer", flowing(l), all)
	l.Forget()
	if _, err := l.TakeAnswer(bothEnds("192.0.2.1", "recvonly", "inactive", crypto), SRTP{}); err == nil {
		t.Error("an offer that was refused is answered")
	}
	_ = ok[string](t)(l.Reoffer(sdp.SendOnly))
	ok[*Remote](t)(l.TakeAnswer(bothEnds("192.0.2.1", "recvonly", "inactive", crypto), SRTP{}))
	const onHold = "audio sendonly 192.0.2.1:41000 video inactive 192.0.2.1:41002 "
	expect(t, "on hold", flowing(l), onHold)

	update := ok[string](t)(l.Offer(browser(t, sdp.TypeOffer, audioAndVideo), SRTP{}))
	expect(t, "an offer of the client's", outline(t, update), "4 audio [111 8] sendonly video [96] inactive")
	ok[*Remote](t)(l.TakeAnswer(bothEnds("192.0.2.1", "recvonly", "inactive", crypto), SRTP{}))
	ok[*Remote](t)(l.TakeOffer(bothEnds("192.0.2.7", "sendrecv", "recvonly", crypto), SRTP{}))
	expect(t, "an answer", outline(t, ok[string](t)(l.Reanswer())), "5 audio [111 8] sendonly video [96] inactive")
	expect(t, "still on hold", flowing(l), strings.ReplaceAll(onHold, "192.0.2.1", "192.0.2.7"))

	expect(t, "the end of the hold", outline(t, ok[string](t)(l.Reoffer(sdp.SendRecv))), "6 audio [111 8] sendrecv video [96] sendonly")
	ok[*Remote](t)(l.TakeAnswer(bothEnds("192.0.2.1", "sendrecv", "recvonly", crypto), SRTP{}))
	expect(t, "afterwards", flowing(l), all)
}

// An offer of the far end's is answered without the client: with what that knows, under the payload types of the offer.
func TestReanswer(t *testing.T) {
	l := newLeg(t, newConfig(t))
	if _, err := l.Reanswer(); err == nil || err.Code != testCodes.State {
		t.Errorf("an answer to nothing: %v", err)
	}
	r := ok[*Remote](t)(l.TakeOffer(bothEnds("192.0.2.1", "sendrecv", "inactive"), SRTP{}))
	if _, err := l.Reanswer(); err == nil || err.Code != testCodes.State {
		t.Errorf("an answer before the client's: %v", err)
	}
	answer := r.SDP.Anonymise() // a client that takes all of the audio
	answer.Sections[1].Port = 0
	ok[string](t)(l.Answer(answer, SRTP{}))

	moved := strings.NewReplacer("41000 RTP/AVP 111 8", "42000 RTP/AVP 0 96 98", "rtpmap:111", "rtpmap:96").Replace(bothEnds("192.0.2.7", "sendonly", "sendrecv"))
	ok[*Remote](t)(l.TakeOffer(moved, SRTP{}))
	expect(t, "the answer", outline(t, ok[string](t)(l.Reanswer())), "2 audio [96] recvonly video [96] inactive rejected")
	expect(t, "agreed", flowing(l), "audio recvonly 192.0.2.7:42000 ")

	ok[*Remote](t)(l.TakeOffer(bothEnds("192.0.2.1", "sendrecv", "inactive"), SRTP{}))
	expect(t, "the next answer", outline(t, ok[string](t)(l.Reanswer())), "3 audio [111 8] sendrecv video [96] inactive rejected")

	ok[*Remote](t)(l.TakeOffer(strings.ReplaceAll(bothEnds("192.0.2.1", "sendrecv", "inactive"), "m=audio 41000 RTP/AVP 111 8", "m=audio 41000 RTP/AVP 18"), SRTP{}))
	if _, err := l.Reanswer(); err == nil || err.Code != testCodes.NoMedia {
		t.Errorf("nothing that the client knows: %v", err)
	}
	expect(t, "as before", flowing(l), "audio sendrecv 192.0.2.1:41000 ")
}
