package signalling

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"bifrons/rtp/waittest"
	"bifrons/sdp"
	"bifrons/sfu"
)

type step struct{ do, want string }

// TestScripts plays what client (hear) and application (say) do in turn.
func TestScripts(t *testing.T) {
	const (
		noOffer    = "there is no offer to answer"
		unexpected = "an answer to no offer of ours"
		closing    = "the connection before is still closing"
	)
	for name, steps := range map[string][]step{
		"the client offers": {
			{"say answer", noOffer},
			{"hear offer aaaa 0:audio 1:video", "new"},
			{"say answer", "0:audio 1:video ice0"},
			{"say answer", noOffer},
			{"hear offer aaaa 0:audio 1:video 2:video", "update"},
			{"say answer", "0:audio 1:video 2:video ice0"},
		},
		"we offer": {
			{"hear answer aaaa 0:video", unexpected},
			{"say offer video", "0:video ice0"},
			{"say offer video audio", "0:video 1:audio ice0"},
			{"hear answer aaaa 0:video 1:audio", "new"},
			{"hear answer aaaa 0:video 1:audio", unexpected},
			{"say offer video", "0:video 1:audio- ice0"},
			{"hear answer aaaa 0:video 1:audio-", "update"},
		},
		"offers cross": {
			{"say offer video", "0:video ice0"},
			{"hear offer aaaa 0:video", "new"},
			{"hear answer aaaa 0:video", unexpected},
			{"say answer", "0:video ice0"},
		},
		"the client restarts": {
			{"hear offer aaaa 0:audio", "new"},
			{"say answer", "0:audio ice0"},
			{"hear offer bbbb 0:audio", "update"},
			{"say answer", "0:audio ice1"},
			{"hear offer bbbb 0:audio", "update"},
			{"say answer", "0:audio ice1"},
		},
		"we restart": {
			{"say restart video", "0:video ice0"},
			{"hear answer aaaa 0:video", "new"},
			{"say restart video", "0:video ice1"},
			{"hear answer bbbb 0:video", "update"},
			{"say offer video", "0:video ice1"},
		},
		"sections are turned off and used again": {
			{"hear offer aaaa 0:audio- 1:video", "new"},
			{"say answer", "0:audio- 1:video ice0"},
			{"hear offer aaaa 2:audio 1:video", "update"},
			{"say answer", "2:audio 1:video ice0"},
			{"hear offer aaaa 2:audio- 1:video", "update"},
			{"say answer", "2:audio- 1:video ice0"},
			{"hear offer aaaa 3:video 1:video-", "update"},
			{"say answer", "3:video 1:video- ice0"},
		},
		"sections keep their mids": {
			{"hear offer aaaa a:audio v:video", "new"},
			{"say answer", "a:audio v:video ice0"},
			{"hear offer aaaa :audio v:video", "update"},
			{"say answer", "a:audio v:video ice0"},
		},
		"descriptions of no use change nothing": {
			{"hear offer - 0:audio", "unusable"},
			{"hear offer aaaa 0:audio-", "unusable"},
			{"hear offer aaaa 0:audio", "new"},
			{"say answer", "0:audio ice0"},
			{"hear offer - 0:audio", "unusable update"},
			{"hear offer aaaa 0:video", "unusable update"},
			{"hear offer aaaa 7:audio", "unusable update"},
			{"hear offer aaaa 0:audio", "update"},
			{"say offer audio", "0:audio ice0"},
			{"hear answer - 0:audio", "unusable update"},
			{"hear answer aaaa 0:audio", "update"},
		},
		"the client's answer rejects everything": {
			{"say offer video", "0:video ice0"},
			{"hear answer aaaa 0:video-", "new"},
			{"settle", ""},
			{"event", "closed: All media rejected"},
			{"hear offer bbbb 0:audio", "new"},
			{"say answer", "0:audio ice1"},
		},
		"our answer rejects everything": {
			{"hear offer aaaa 0:audio", "new"},
			{"say answer no", "0:audio-"},
			{"event", "closed: All media rejected"},
		},
		"an offer waits for the end of the connection before": {
			{"hear offer aaaa 0:audio", "new"},
			{"say answer", "0:audio ice0"},
			{"close", ""},
			{"hear offer aaaa 0:audio", "new"},
			{"event", "closed: the test"},
			{"say answer", "0:audio ice1"},
		},
		"candidates wait for their description": {
			{"trickle 1000 0", "early"},
			{"wait", ""},
			{"trickle 1001 0", "early"},
			{"trickle 1002 0 bbbb", "early"},
			{"trickle 1003 1", "early"},
			{"hear offer aaaa 0:audio 1:video", "new"},
			{"trickle 1004 0", "early"},
			{"say answer", "0:audio 1:video ice0"},
			{"taken", "1001 1004"},
			{"trickle 1005 0", ""},
			{"trickle 1006 1", ""},
			{"trickle 1007 0 bbbb", ""},
			{"trickle end 0", ""},
			{"taken", "1001 1004 1005"},
			{"hear offer bbbb 0:audio 1:video", "update"},
			{"say answer", "0:audio 1:video ice1"},
			{"taken", "1001 1004 1005 1002 1007"},
		},
		"the transport is where the answer has it": {
			{"say offer video video", "0:video 1:video ice0"},
			{"trickle 1001 0", "early"},
			{"trickle 1002 1", "early"},
			{"hear answer aaaa 0:video- 1:video", "new"},
			{"trickle 1003 1", ""},
			{"taken", "1002 1003"},
		},
		"nothing is taken while the connection closes": {
			{"hear offer aaaa 0:audio", "new"},
			{"say answer", "0:audio ice0"},
			{"say offer audio", "0:audio ice0"},
			{"block", ""},
			{"close", ""},
			{"trickle 1001 0", closing},
			{"say offer audio", closing},
			{"hear answer aaaa 0:audio", "the connection is closed"},
			{"release", ""},
			{"event", "closed: the test"},
			{"trickle 1001 0", "early"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLab(t, nil)
			release := make(chan struct{})
			free := sync.OnceFunc(func() { close(release) })
			defer free()
			for i, s := range steps {
				switch s.do {
				case "block":
					l.exec.Must(func() { <-release })
					continue
				case "release":
					free()
					continue
				}
				if got := l.do(s.do); got != s.want {
					t.Fatalf("step %d, %s: %q, want %q", i, s.do, got, s.want)
				}
			}
		})
	}
}

// A description that waits for candidates ends with its connection, and with the
// endpoint.
func TestClosingWhileDescribing(t *testing.T) {
	for name, end := range map[string]func(l *lab){
		"close": func(l *lab) { l.Close("the test") },
		"end":   func(l *lab) { l.End("the test", func(*Connection) {}) },
	} {
		t.Run(name, func(t *testing.T) {
			// The gathering goes on, even when the connection is closed.
			release := make(chan struct{})
			l := newLabWith(t, func(cfg *Config) { cfg.RelayWait = time.Hour }, sfu.Config{
				TURNServers: func(context.Context, string) ([]sfu.TURNServer, error) {
					<-release
					return nil, nil
				},
			})
			t.Cleanup(func() { close(release) })
			l.do("hear offer aaaa 0:audio")
			c, d, err := l.complete(l.ourAnswer(false), LocalOptions{})
			if err != nil {
				t.Fatal(err)
			}
			described := make(chan error, 1)
			go func() {
				_, err := c.print(d)
				described <- err
			}()
			end(l)
			select {
			case err := <-described:
				if err != ErrClosed {
					t.Errorf("described: %v", err)
				}
			case <-time.After(waittest.Patience):
				t.Fatal("the description waits still")
			}
			<-c.Done()
		})
	}
}

// After its end an endpoint makes no connections and tells nobody anything.
func TestEnd(t *testing.T) {
	l := newLab(t, nil)
	if c := l.End("early", func(*Connection) { t.Error("there was none") }); c != nil {
		t.Error("there was a connection")
	}
	l = newLab(t, nil)
	l.do("hear offer aaaa 0:audio")
	l.do("say answer")
	var last *Connection
	c := l.Connection()
	if got := l.End("over", func(c *Connection) { last = c }); got != c || last != c || l.Connection() != nil {
		t.Errorf("ended %p and %p, not %p", got, last, c)
	}
	<-c.Done()
	c.PeerEvent(sfu.Event{Kind: sfu.EventUp})
	l.tasks.Wait()
	var connect *ConnectError
	if _, err := l.hear(sdp.TypeOffer, "aaaa", "0:audio"); !errors.As(err, &connect) || connect.Err != ErrClosed {
		t.Errorf("an offer got %v", err)
	}
	if len(l.events) > 0 {
		t.Errorf("told %s", <-l.events)
	}
}

func TestNoEngine(t *testing.T) {
	l := newLab(t, func(cfg *Config) { cfg.Engine = nil })
	if _, err := l.hear(sdp.TypeOffer, "aaaa", "0:audio"); !errors.Is(err, ErrNoEngine) {
		t.Errorf("an offer got %v", err)
	}
	if _, err := l.say(ourOffer("audio"), LocalOptions{}); !errors.Is(err, ErrNoEngine) {
		t.Errorf("our offer got %v", err)
	}
}

// What the engine says of a section comes with its name, while it is the engine of
// the present connection.
func TestEvents(t *testing.T) {
	l := newLab(t, nil)
	l.do("hear offer aaaa a:audio v:video")
	l.do("say answer")
	c := l.Connection()
	if l.Established() != nil {
		t.Error("established before it is up")
	}
	for _, x := range []struct {
		event sfu.Event
		want  string
	}{
		{sfu.Event{Kind: sfu.EventUp}, "up"},
		{sfu.Event{Kind: sfu.EventMedia, Section: 1}, "media v video"},
		{sfu.Event{Kind: sfu.EventMedia, Section: 5}, "media 5 "},
	} {
		c.PeerEvent(x.event)
		if got := l.event(); got != x.want {
			t.Errorf("got %q, want %q", got, x.want)
		}
	}
	if l.Established() != c || c.Codec(1, 96) != "vp8" || c.Codec(1, 97) != "" || c.Codec(2, 96) != "" {
		t.Error("the connection does not know what it is")
	}
	l.do("close")
	if got := l.event(); got != "closed: the test" {
		t.Errorf("got %q", got)
	}
	c.PeerEvent(sfu.Event{Kind: sfu.EventUp})
	l.tasks.Wait()
	if len(l.events) > 0 || l.Established() != nil || l.Peer() != nil {
		t.Error("something is left of the connection")
	}
}

// With full trickle candidates come behind the description, for the section that has
// the transport, and again after a restart.
func TestFullTrickle(t *testing.T) {
	l := newLab(t, func(cfg *Config) { cfg.FullTrickle = true })
	for _, ufrag := range []string{"aaaa", "bbbb"} {
		l.do("hear offer " + ufrag + " 0:audio- 1:video")
		sent := ""
		err := l.SetLocal(l.ourAnswer(false), LocalOptions{}, func(text string) {
			if sent = text; len(l.events) > 0 {
				t.Error("candidates came first")
			}
		})
		if err != nil || strings.Contains(sent, "a=candidate") || strings.Contains(sent, "a=end-of-candidates") {
			t.Errorf("%v, candidates in\n%s", err, sent)
		}
		n := 0
		for e := l.event(); e != "end of candidates"; e = l.event() {
			if n++; e != "candidate for 1 1" {
				t.Errorf("got %q", e)
			}
		}
		if n == 0 {
			t.Error("no candidates")
		}
	}
}
