package videocall

import (
	"log/slog"
	"strings"
	"testing"

	"bifrons/api/plugin"
	"bifrons/api/plugin/plugintest"
	"bifrons/rtp/waittest"
	"bifrons/sfu"
)

// hung is the event that somebody has hung up.
func hung(by, reason string) string {
	return `"event":"hangup","username":"` + by + `","reason":"` + reason + `"`
}

// TestCall: two clients get each other's media and data, hold what they send and go on,
// renegotiate, and hang up.
func TestCall(t *testing.T) {
	x := newExchange(t)
	alice, bob := x.phone("alice"), x.phone("bob")
	incoming := alice.call(bob)
	bob.plugIn()
	bob.is(bob.Ask(`{"request":"accept"}`, bob.answer(incoming)), reply(`"event":"accepted"`))
	alice.take(alice.AwaitText(`"event":"accepted","username":"bob"`))
	bob.AwaitText("[webrtcup]")
	alice.AwaitText("[webrtcup]")
	alice.HearsMore(t, "bob audio", "bob video")
	bob.HearsMore(t, "alice audio", "alice video")
	if a, b := alice.Heard("alice audio")+alice.Heard("alice video"), bob.Heard("bob audio")+bob.Heard("bob video"); a+b != 0 {
		t.Error("an echo")
	}
	if got := bob.Query(); !strings.HasPrefix(got, `{"state":"incall","username":"bob","peer":"alice","audio_active":true,"video_active":true,`+
		`"audio_codec":"opus","video_codec":"vp8","bitrate":0,`) {
		t.Error(got)
	}

	bob.is(bob.Ask(`{"request":"set","video":false,"bitrate":100000}`, nil), reply(`"event":"set"`))
	waittest.Until(t, "no more video of Bob's", func() bool {
		n := alice.Heard("bob video")
		alice.HearsMore(t, "bob audio", "bob audio", "bob audio", "bob audio")
		return alice.Heard("bob video") == n
	})
	bob.HearsMore(t, "alice video")
	bob.is(bob.Ask(`{"request":"set","video":true}`, nil), reply(`"event":"set"`))
	alice.HearsMore(t, "bob video")

	for _, r := range []struct{ from, to *phone }{{alice, bob}, {bob, alice}} {
		send := r.from.Voice("more")
		r.from.is(r.from.Ask(`{"request":"set"}`, r.from.Offer()), reply(`"event":"set"`))
		r.to.is(r.to.Ask(`{"request":"set"}`, r.to.answer(r.to.AwaitText(`"event":"update"`))), reply(`"event":"set"`))
		r.from.take(r.from.AwaitText(`"event":"update"`))
		n := uint16(0)
		waittest.Until(t, r.to.Name+" gets another video", func() bool {
			n++
			send(n)
			return r.to.Heard(r.from.Name+" more") > 0
		})
		r.to.HearsMore(t, r.from.Name+" audio", r.from.Name+" video")
		r.from.HearsMore(t, r.to.Name+" audio", r.to.Name+" video")
	}

	alice.is(alice.Ask(`{"request":"hangup","reason":"dinner"}`, nil), reply(hung("alice", "Explicit hangup")))
	bob.AwaitText(hung("alice", "dinner"))
	bob.AwaitText("[hangup] Close PC")
	alice.AwaitText("[hangup] Close PC")
	bob.Unplug()
	alice.accept(bob.call(alice), bob) // the other way round
	alice.HearsMore(t, "bob audio")
}

// TestData: text and binary data with labels and protocols goes both ways.
func TestData(t *testing.T) {
	x := newExchange(t)
	alice, bob := x.phone("alice"), x.phone("bob")
	alice.plugIn()
	first, open := alice.channel("JanusDataChannel", "")
	alice.is(alice.Ask(`{"request":"call","username":"bob"}`, alice.Offer()), reply(`"event":"calling"`))
	bob.plugIn()
	bob.accept(bob.AwaitText("incomingcall"), alice)
	<-open
	other, otherOpen := bob.channel("files", "chunks")
	<-otherOpen
	waittest.Until(t, "data from Alice", func() bool { // once Bob's channels are there
		first.SendText("hello")
		select {
		case got := <-bob.data:
			return got == "JanusDataChannel/ false: hello"
		default:
			return false
		}
	})
	other.Send([]byte("bytes"))
	if got := <-alice.data; got != "files/chunks true: bytes" {
		t.Errorf("Alice gets %q", got)
	}
	alice.Ask(`{"request":"hangup"}`, nil)
	bob.AwaitText("[hangup]")
	bob.Data("files", "", false, []byte("late")) // goes nowhere
}

// TestEnds goes through the ways in which a call can end.
func TestEnds(t *testing.T) {
	const lost = "Remote WebRTC hangup"
	for _, tt := range []struct {
		name     string
		accepted bool
		end      func(alice, bob *phone)
		alice    []string // what they hear, in order
		bob      []string
	}{
		{"the caller cancels", false, func(a, _ *phone) { a.Ask(`{"request":"hangup"}`, nil) },
			[]string{hung("bob", lost)}, []string{hung("alice", "We did the hangup"), hung("alice", lost)}},
		{"the callee declines", false, func(_, b *phone) { b.Ask(`{"request":"hangup","reason":"busy"}`, nil) },
			[]string{hung("bob", "busy"), hung("bob", lost)}, []string{hung("alice", lost)}},
		{"the caller hangs up", true, func(a, _ *phone) { a.Ask(`{"request":"hangup"}`, nil) },
			[]string{hung("bob", lost)}, []string{hung("alice", "We did the hangup"), hung("alice", lost)}},
		{"both hang up", true, func(a, b *phone) { a.Ask(`{"request":"hangup"}`, nil); b.Ask(`{"request":"hangup"}`, nil) },
			[]string{hung("bob", lost)}, []string{hung("alice", "We did the hangup")}},
		{"the caller is gone before", false, func(a, _ *phone) { a.Detach() }, nil, []string{hung("alice", lost)}},
		{"the callee is gone before", false, func(_, b *phone) { b.Detach() }, []string{hung("bob", lost)}, nil},
		{"the caller is gone", true, func(a, _ *phone) { a.Detach() }, nil, []string{hung("alice", lost)}},
		{"the callee is gone", true, func(_, b *phone) { b.Detach() }, []string{hung("bob", lost)}, nil},
		{"the caller's connection ends", true, func(a, _ *phone) { a.Unplug() }, nil, []string{hung("alice", lost)}},
		{"the callee's connection ends", true, func(_, b *phone) { b.Hangup() }, []string{hung("bob", lost)}, nil},
		{"the caller calls again", true, func(a, _ *phone) { a.Ask(`{"request":"call","username":"carol"}`, a.Offer()) },
			nil, []string{hung("alice", lost)}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			x := newExchange(t)
			alice, bob := x.phone("alice"), x.phone("bob")
			incoming := alice.call(bob)
			if tt.accepted {
				bob.accept(incoming, alice)
			}
			tt.end(alice, bob)
			for p, list := range map[*phone][]string{alice: tt.alice, bob: tt.bob} {
				for _, want := range list {
					p.AwaitText(want)
				}
			}
			for _, p := range []*phone{alice, bob} {
				waittest.Until(t, p.Name+" has no connection", func() bool { return p.Peer() == nil })
				waittest.Until(t, p.Name+" is idle", func() bool { return strings.Contains(p.Query(), `"state":"idle"`) })
				waittest.Until(t, p.Name+" is done", func() bool { return strings.Contains(p.Query(), `"incall":0,"hangingup":0`) })
			}
			// whoever is left can have other calls
			carol := x.phone("carol")
			for _, p := range []*phone{alice, bob} {
				if strings.Contains(p.Query(), `"destroyed":0`) {
					p.Settle()
					p.Events()
					p.accept(carol.call(p), carol)
					carol.HearsMore(t, p.Name+" audio")
					p.HearsMore(t, "carol video")
					carol.Ask(`{"request":"hangup"}`, nil)
				}
			}
		})
	}
}

// TestHangupTwice: the other side hears again of a client that hangs up again, but not any
// number of times, and not in another call.
func TestHangupTwice(t *testing.T) {
	o := newService(t)
	alice, bob := o.talk("alice", "bob")
	o.user("carol")
	check := func(when string, want int) {
		t.Helper()
		alice.Send(`{"request":"hangup"}`, nil)
		var got int
		for _, e := range bob.Events() {
			if e.String() == told(hung("alice", "We did the hangup")) {
				got++
			}
		}
		if got != want {
			t.Errorf("%s: Bob hears of it %d times, want %d", when, got, want)
		}
	}
	check("at the end of the call", 1)
	check("after it", 1)
	check("once more", 0)
	dial(t, alice, "bob")
	check("another call", 1)
	dial(t, bob, "carol")
	check("in a call of Bob's", 0)
	bob.Send(`{"request":"hangup"}`, nil)
	check("after that", 0)
}

// TestRedial: one can call at once whoever has just hung up, and is not taken for the one
// of the call before.
func TestRedial(t *testing.T) {
	x := newExchange(t)
	alice, bob := x.phone("alice"), x.phone("bob")
	for range 20 {
		alice.call(bob)
		alice.Ask(`{"request":"hangup"}`, nil)
	}
	bob.accept(alice.call(bob), alice)
	alice.HearsMore(t, "bob video")
	bob.HearsMore(t, "alice video")
}

// TestSlowCallee: a callee who is held up hears of the last call alone, and those who
// call meanwhile leave nothing behind.
func TestSlowCallee(t *testing.T) {
	o := newService(t)
	alice, bob := o.user("alice"), o.user("bob")
	release := bob.Hold()
	for range 100 {
		alice.Message("t", `{"request":"call","username":"bob"}`, offer())
		alice.AwaitText("calling")
		alice.Message("t", `{"request":"hangup"}`, nil)
		alice.AwaitText("Explicit hangup")
	}
	alice.Message("t", `{"request":"call","username":"bob"}`, offer())
	alice.AwaitText("calling")
	release()
	hears(t, bob, told(`"event":"incomingcall","username":"alice"`)+" offer"+offered)
	if n := bob.Closed(); n > 101 {
		t.Error(n)
	}
}

// TestHangupOfTheCallBefore: a client that hangs up does not decline a call that it has not
// heard of.
func TestHangupOfTheCallBefore(t *testing.T) {
	o := newService(t)
	alice, bob := o.talk("alice", "bob")
	carol := o.user("carol")
	release := bob.Hold()
	bob.Message("t", `{"request":"hangup"}`, nil)
	alice.Message("t", `{"request":"hangup"}`, nil)
	alice.AwaitText("Explicit hangup")
	carol.Message("t", `{"request":"call","username":"bob"}`, offer())
	carol.AwaitText("calling")
	release()
	hears(t, carol)
	bob.AwaitText(`"event":"incomingcall","username":"carol"`)
}

// TestBusyShard: nobody waits for a shard, whatever those in a call do.
func TestBusyShard(t *testing.T) {
	trap := plugintest.NewTrap()
	core := plugintest.New(t, New(t.TempDir()), plugintest.Config{Engine: sfu.Config{Shards: 1, Logger: slog.New(trap)}})
	x := &exchange{core, t}
	alice, bob := x.phone("alice"), x.phone("bob")
	bob.accept(alice.call(bob), alice)
	alice.HearsMore(t, "bob video")
	trap.Spring(t, core.Engine())
	carol := x.Attach(plugintest.Options{})
	for _, r := range []struct {
		from *plugintest.Client
		body string
		want string
	}{
		{alice.Client, `{"request":"set","audio":false,"video":false,"bitrate":1000}`, `"event":"set"`},
		{bob.Client, `{"request":"set","video":true,"substream":0}`, `"event":"set"`},
		{carol, `{"request":"register","username":"carol"}`, `"event":"registered"`},
		{bob.Client, `{"request":"hangup"}`, `"Explicit hangup"`},
		{carol, `{"request":"list"}`, `"list":["alice","bob","carol"]`},
		{carol, `{"request":"call","username":"bob"}`, `"event":"calling"`},
	} {
		var j *plugin.JSEP
		if strings.Contains(r.body, "call") {
			j = offer()
		}
		waittest.InTime(t, r.body, func() {
			if got := r.from.Ask(r.body, j).String(); !strings.Contains(got, r.want) {
				t.Errorf("%s: %s", r.body, got)
			}
		})
	}
}

// TestOneOfferAtATime: an offer is refused while the one before of this call is not
// answered, whichever side has made that, and the call goes on.
func TestOneOfferAtATime(t *testing.T) {
	x := newExchange(t)
	alice, bob := x.phone("alice"), x.phone("bob")
	refused := func(p *phone) {
		t.Helper()
		other := x.phone("somebody else than " + p.Name)
		other.plugIn()
		d, err := other.PC.CreateOffer(nil)
		other.Must(err)
		if _, err := p.TryRemote("offer", d.SDP); err == nil {
			t.Errorf("another offer of %s is taken", p.Name)
		}
		other.Detach()
	}
	incoming := alice.call(bob)
	refused(alice)
	refused(bob)
	bob.accept(incoming, alice)
	alice.HearsMore(t, "bob audio")
	bob.HearsMore(t, "alice audio")

	alice.is(alice.Ask(`{"request":"set"}`, alice.Offer()), reply(`"event":"set"`))
	update := bob.AwaitText(`"event":"update"`)
	refused(bob)
	bob.is(bob.Ask(`{"request":"set"}`, bob.answer(update)), reply(`"event":"set"`))
	alice.take(alice.AwaitText(`"event":"update"`))
	bob.is(bob.Ask(`{"request":"set"}`, bob.Offer()), reply(`"event":"set"`))
	alice.is(alice.Ask(`{"request":"set"}`, alice.answer(alice.AwaitText(`"event":"update"`))), reply(`"event":"set"`))
	bob.take(bob.AwaitText(`"event":"update"`))
	alice.HearsMore(t, "bob video")
	bob.HearsMore(t, "alice video")
}

// TestOffersCross: of two offers that were both taken in, one goes to the other side.
func TestOffersCross(t *testing.T) {
	o := newService(t)
	alice, bob := o.talk("alice", "bob")
	again := func() *plugin.JSEP {
		j := offer()
		j.Update = true
		return j
	}
	expect(t, alice, `{"request":"set"}`, again(), reply(`"event":"set"`))
	expect(t, bob, `{"request":"set","audio":false}`, again(),
		told(`"event":"update"`)+" offer"+offered+"\n"+
			`t {"videocall":"event","error_code":483,"error":"The other side has made an offer"}`)
	if got := bob.Query(); !strings.Contains(got, `"audio_active":true`) {
		t.Error(got)
	}
	expect(t, alice, `{"request":"set"}`, again(), reply(`"event":"set"`)) // in place of the one before
	hears(t, bob, told(`"event":"update"`)+" offer"+offered)
	bob.Answer()
	j := answer(bob)
	j.Update = true
	expect(t, bob, `{"request":"set"}`, j, reply(`"event":"set"`))
	hears(t, alice, told(`"event":"update"`)+" answer"+offered)
	expect(t, bob, `{"request":"set"}`, again(), reply(`"event":"set"`))
	hears(t, alice, told(`"event":"update"`)+" offer"+offered)
}
