package janus

import (
	"slices"
	"strings"
	"testing"

	"bifrons/api/signalling"
	"bifrons/sdp"
)

// trickler is a handle with a connection whose client sends candidates.
type trickler struct {
	*client
	ids  object
	sink *recorder
}

func newTrickler(t *testing.T) *trickler {
	tr := &trickler{sink: &recorder{}}
	_, tr.client, tr.ids = attachEcho(t, Config{})
	tr.core.AddSink(tr.sink)
	return tr
}

func (tr *trickler) trickle(c any) object {
	return tr.do("trickle", object{"session_id": tr.ids["session_id"], "handle_id": tr.ids["handle_id"], "candidate": c})
}

// acked trickles what is answered by an ack.
func (tr *trickler) acked(c any) {
	tr.t.Helper()
	if r := tr.trickle(c); r["janus"] != "ack" {
		tr.t.Errorf("%v: %v", c, r)
	}
}

func (tr *trickler) call(sdp string) {
	tr.t.Helper()
	if r := tr.offer(tr.ids, "answer", object{"type": "offer", "sdp": sdp}); r["janus"] != "ack" {
		tr.t.Fatalf("offer: %v", r)
	}
	tr.eventOf("event")
}

// complete reports whether the client has said that no more candidates will come.
func (tr *trickler) complete() bool {
	return tr.core.Session(tr.ids["session_id"].(uint64)).Handle(tr.ids["handle_id"].(uint64)).Describe().Complete
}

// An empty candidate is the end of them, for the section that carries the transport, and
// "completed" is unless it is false.
func TestEndOfCandidates(t *testing.T) {
	for _, tt := range []struct {
		c   any
		end bool
	}{
		{object{"candidate": "", "sdpMid": "0"}, true},
		{object{"candidate": "", "sdpMLineIndex": 0}, true},
		{object{"candidate": "", "sdpMid": "0", "sdpMLineIndex": 0, "usernameFragment": "abcd"}, true},
		{object{"completed": true}, true},
		{object{"completed": 1}, true},
		{object{"completed": nil}, true},
		{nil, true},
		{object{"candidate": "", "sdpMid": "1"}, false},
		{object{"candidate": "", "sdpMLineIndex": 1}, false},
		{object{"candidate": "", "sdpMid": "0", "usernameFragment": "old"}, false},
		{object{"completed": false}, false},
		{object{"completed": false, "candidate": hostCandidate("1001"), "sdpMid": "0"}, false},
		{object{"candidate": "end-of-candidates", "sdpMid": "0"}, false},
	} {
		tr := newTrickler(t)
		tr.call(description("0 1", mline("audio", "9", "0", transportOf("abcd")), mline("video", "9", "1", transportOf("abcd"))))
		tr.acked(tt.c)
		if got := tr.complete(); got != tt.end {
			t.Errorf("%v: end %v, want %v", tt.c, got, tt.end)
		}
		tr.core.Close()
		if got := candidatesTaken(tr.sink); got != "" && got != "1001" || strings.Contains(string(encode(tt.c)), "1001") != (got == "1001") {
			t.Errorf("%v: candidates that were taken: %s", tt.c, got)
		}
	}
	tr := newTrickler(t)
	tr.call(description("0", mline("audio", "9", "0", transportOf("abcd"))))
	wantError(t, tr.trickle(object{"candidate": ""}), ErrMissingElement, "Trickle error: missing mandatory element (sdpMid or sdpMLineIndex)")
}

// A candidate of another generation waits for its description, or for ever
// (RFC 8838, 11, RFC 8840, 4.4).
func TestGenerationsOfCandidates(t *testing.T) {
	tr := newTrickler(t)
	of := func(port, ufrag string) object {
		return object{"candidate": hostCandidate(port) + " generation 0 ufrag " + ufrag, "sdpMid": "0"}
	}
	call := func(ufrag, port string) {
		tr.call(description("0", mline("audio", "9", "0", transportOf(ufrag),
			"a="+hostCandidate(port)+" ufrag "+ufrag, "a="+hostCandidate("9"+port)+" ufrag nobody")))
	}
	tr.acked(of("1001", "one"))
	tr.acked(of("1002", "zero"))
	call("one", "1003")
	tr.acked(of("1004", "zero"))
	tr.acked(of("1005", "two")) // the browser is quicker than its offer
	tr.acked(of("1006", "one"))
	tr.acked(object{"candidate": hostCandidate("1007"), "sdpMid": "0", "usernameFragment": "zero"})
	tr.acked(object{"candidate": hostCandidate("1008"), "sdpMid": "0", "usernameFragment": "one"})
	call("two", "1009")
	tr.acked(of("1010", "one"))
	tr.acked(of("1011", "two"))
	tr.core.Close()
	if got, want := candidatesTaken(tr.sink), "1003 1001 1006 1008 1009 1005 1011"; got != want {
		t.Errorf("candidates that were taken: %s, want %s", got, want)
	}
}

// Candidates of other generations do not keep those out that come later.
func TestStaleCandidatesGiveWay(t *testing.T) {
	tr := newTrickler(t)
	tr.call(description("0", mline("audio", "9", "0", transportOf("one"))))
	for range 2 * signalling.MaxCandidates {
		tr.acked(object{"candidate": hostCandidate("1001") + " ufrag zero", "sdpMid": "0"})
	}
	tr.acked(object{"candidate": hostCandidate("1002") + " ufrag two", "sdpMid": "0"})
	tr.call(description("0", mline("audio", "9", "0", transportOf("two"))))
	tr.core.Close()
	if got := candidatesTaken(tr.sink); got != "1002" {
		t.Errorf("candidates that were taken: %s", got)
	}
}

// A mid cannot change while its section is in use; a section whose later description has
// none keeps the one it had.
func TestChangedMID(t *testing.T) {
	_, cl, ids := attachEcho(t, Config{})
	tr := transportOf("abcd")
	offer := func(sections ...string) object {
		return cl.offer(ids, "answer", object{"type": "offer", "sdp": description("", sections...)})
	}
	if r := offer(mline("audio", "9", "a", tr), mline("video", "9", "v", tr)); r["janus"] != "ack" {
		t.Fatal(r)
	}
	first := sdpOf(t, cl.event())
	wantError(t, offer(mline("audio", "9", "b", tr), mline("video", "9", "v", tr)), ErrJSEPInvalid,
		"Invalid a= line (mid of m-line 0 was a): a=mid:b")
	wantError(t, offer(mline("audio", "9", "v", tr), mline("video", "9", "a", tr)), ErrJSEPInvalid,
		"Invalid a= line (mid of m-line 0 was a): a=mid:v")
	wantError(t, offer(mline("audio", "9", "a", tr), mline("video", "9", "a", tr)), ErrJSEPInvalid,
		"Invalid a= line (mid used twice): a=mid:a")
	for _, step := range []struct {
		sections []string
		want     string
	}{
		{[]string{mline("audio", "9", "", tr), mline("video", "9", "v", tr)}, "a:audio v:video | a v"},
		{[]string{mline("audio", "9", "a", tr), mline("video", "0", "x")}, "a:audio x:video- | a"},
		{[]string{mline("audio", "9", "a", tr), mline("video", "9", "y", tr)}, "a:audio y:video | a y"},
	} {
		if r := offer(step.sections...); r["janus"] != "ack" {
			t.Fatalf("%s: %v", step.want, r)
		}
		d := sdpOf(t, cl.event())
		if got := gist(d); got != step.want {
			t.Errorf("answered by %s, want %s", got, step.want)
		}
		if n := slices.IndexFunc(d.Sections, func(s sdp.Section) bool { return !s.Rejected() }); d.Sections[n].Ufrag != first.Sections[0].Ufrag {
			t.Errorf("%s: ICE restarts", step.want)
		}
	}
}
