package videocall

import (
	"testing"

	"bifrons/rtp/waittest"
	"bifrons/sfu"
)

// Both lines of a call are estimated unless a client wants that not, and within its bound.
func TestLinesAreEstimated(t *testing.T) {
	x := newExchange(t)
	alice, bob := x.phone("alice"), x.phone("bob")
	bob.accept(alice.call(bob), alice)
	expect := func(p *phone, why string, want func(l *sfu.Line) bool) {
		t.Helper()
		waittest.Until(t, p.Name+": "+why, func() bool { return want(p.Peer().Snapshot().Line) })
	}
	told := func(l *sfu.Line) bool { return l != nil && l.Feedback == sfu.FeedbackTransport }
	expect(alice, "usual", told)
	expect(bob, "usual", told)
	alice.is(alice.Ask(`{"request":"set","bwe":false}`, nil), reply(`"event":"set"`))
	expect(alice, "no estimate is wanted", func(l *sfu.Line) bool { return l == nil })
	bob.is(bob.Ask(`{"request":"set","max_bitrate":250000}`, nil), reply(`"event":"set"`))
	expect(bob, "within a bound", func(l *sfu.Line) bool { return told(l) && l.Target <= 250_000 })
	alice.is(alice.Ask(`{"request":"set","bwe":true}`, nil), reply(`"event":"set"`))
	expect(alice, "wanted again", told)
}
