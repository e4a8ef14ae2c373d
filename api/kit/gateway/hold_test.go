package gateway

import (
	"fmt"
	"strings"
	"testing"

	"bifrons/sdp"
)

const audioAndVideo = audioOnly + "m=video 9 UDP/TLS/RTP/SAVPF 96\na=mid:1\na=sendonly\na=rtpmap:96 VP8/90000\n"

// bothEnds is a telephone's description of audio and video.
func bothEnds(address, audio, video string) string {
	return crlf("v=0\no=far 1 1 IN IP4 192.0.2.1\ns=call\nc=IN IP4 " + address + "\nt=0 0\nm=audio 41000 RTP/AVP 111 8\na=rtpmap:111 opus/48000/2\na=" + audio +
		"\nm=video 41002 RTP/AVP 96\na=rtpmap:96 VP8/90000\na=" + video + "\n")
}

// outline is what matters of a description: version, payload types and directions.
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
			out += fmt.Sprintf("%s %s %s ", sdp.Kind(kind), direction(f), f.to)
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

// A hold is offered to the far end alone, and what is offered or answered meanwhile goes on with it, until it ends.
func TestHold(t *testing.T) {
	l := newLeg(t, newConfig(t))
	if _, err := l.Hold(sdp.SendOnly); err == nil || err.Code != testCodes.State {
		t.Errorf("a hold without a call: %v", err)
	}
	ok[string](t)(l.Offer(browser(t, sdp.TypeOffer, audioAndVideo), SRTP{}))
	ok[*Remote](t)(l.TakeAnswer(bothEnds("192.0.2.1", "sendrecv", "recvonly"), SRTP{}))
	const all = "audio sendrecv 192.0.2.1:41000 video sendonly 192.0.2.1:41002 "
	expect(t, "agreed", flowing(l), all)

	expect(t, "hold", outline(t, ok[string](t)(l.Hold(sdp.SendOnly))), "2 audio [111 8] sendonly video [96] inactive")
	ok[*Remote](t)(l.TakeAnswer(bothEnds("192.0.2.1", "recvonly", "inactive"), SRTP{}))
	const onHold = "audio sendonly 192.0.2.1:41000 video inactive 192.0.2.1:41002 "
	expect(t, "on hold", flowing(l), onHold)

	ok[*Remote](t)(l.TakeOffer(bothEnds("192.0.2.7", "sendrecv", "recvonly"), SRTP{}))
	expect(t, "an answer", outline(t, ok[string](t)(l.AnswerAgain())), "3 audio [111 8] sendonly video [96] inactive")
	expect(t, "still on hold", flowing(l), strings.ReplaceAll(onHold, "192.0.2.1", "192.0.2.7"))
	expect(t, "an offer that is asked for", outline(t, ok[string](t)(l.OfferAgain())), "4 audio [111 8] sendonly video [96] inactive")
	ok[*Remote](t)(l.TakeAnswer(bothEnds("192.0.2.1", "recvonly", "inactive"), SRTP{}))

	expect(t, "the end of the hold", outline(t, ok[string](t)(l.Resume())), "5 audio [111 8] sendrecv video [96] sendonly")
	ok[*Remote](t)(l.TakeAnswer(bothEnds("192.0.2.1", "sendrecv", "recvonly"), SRTP{}))
	expect(t, "afterwards", flowing(l), all)
}

// An offer of the far end's is answered without the client; what it takes out is refused.
func TestAnswerAgain(t *testing.T) {
	l := newLeg(t, newConfig(t))
	if _, err := l.AnswerAgain(); err == nil || err.Code != testCodes.State {
		t.Errorf("an answer to nothing: %v", err)
	}
	r := ok[*Remote](t)(l.TakeOffer(bothEnds("192.0.2.1", "sendrecv", "inactive"), SRTP{}))
	answer := r.SDP.Anonymise() // a client that takes all of the audio
	answer.Sections[1].Port = 0
	ok[string](t)(l.Answer(answer, SRTP{}))
	ok[*Remote](t)(l.TakeOffer(bothEnds("192.0.2.7", "sendonly", "sendrecv"), SRTP{}))
	expect(t, "the answer", outline(t, ok[string](t)(l.AnswerAgain())), "2 audio [111 8] recvonly video [96] inactive rejected")
	expect(t, "agreed", flowing(l), "audio recvonly 192.0.2.7:41000 ")
}
