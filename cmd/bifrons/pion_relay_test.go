package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/pion/webrtc/v4"

	"bifrons/api/config"
	"bifrons/api/log"
	"bifrons/ice/turn/turntest"
	"bifrons/rtp/waittest"
	"bifrons/sfu/webrtctest"
)

func candidates(sdp string) (list []string) {
	for line := range strings.SplitSeq(sdp, "\r\n") {
		if text, ok := strings.CutPrefix(line, "a=candidate:"); ok {
			list = append(list, text)
		}
	}
	return list
}

// TestPionOverTCP calls without a single UDP packet.
func TestPionOverTCP(t *testing.T) {
	waittest.NoLeaks(t)
	for _, tt := range []struct {
		name string
		lite bool
		o    webrtctest.Options
	}{
		{"full", false, webrtctest.Options{TCP: true}},
		{"full trickle", false, webrtctest.Options{TCP: true, Trickle: true}},
		{"lite", true, webrtctest.Options{TCP: true}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := testServer(t, func(c *config.Config) { c.Server.NAT.ICETCP, c.Server.NAT.ICELite = true, tt.lite })
			s.explain(t)
			p := newPionPeer(t, dial(t, s).attach(echoPackage), tt.o)
			p.AddChannel()
			text := p.call(echoRequest(), nil).sdp()
			if !strings.Contains(text, " typ host tcptype passive\r\n") {
				t.Errorf("answer:\n%s", text)
			}
			p.awaitUp()
			p.playAll(short)
			p.awaitMedia()
			p.talk(echoPrefix)
			p.Heard.Clean(t)
			p.Seen.Clean(t)
			for _, st := range s.engine.Stats() {
				if n := st.Net.DatagramsIn; n != 0 {
					t.Errorf("%d UDP datagrams came", n)
				}
			}
			p.closeAndExpect("DTLS alert")
			s.awaitEmpty(t)
		})
	}
}

// TestTCPOff: without the setting TCP candidates are neither told nor taken.
func TestTCPOff(t *testing.T) {
	waittest.NoLeaks(t)
	for _, on := range []bool{false, true} {
		s := testServer(t, func(c *config.Config) { withAdmin(c); c.Server.NAT.ICETCP = on })
		h := dial(t, s).attach(echoPackage)
		p := newPionPeer(t, h, webrtctest.Options{Edit: func(sdp string) string {
			return strings.Replace(sdp, "a=candidate:", "a=candidate:9 1 tcp 1 127.0.0.1 9 typ host tcptype active\r\na=candidate:", 1)
		}})
		if text := p.call(echoRequest(), nil).sdp(); strings.Contains(text, " tcp ") != on {
			t.Errorf("answer:\n%s", text)
		}
		p.awaitUp()
		info := s.ask(t, h, message{"janus": "handle_info"}).at("info", "webrtc", "ice")
		if text, _ := json.Marshal(info); strings.Contains(string(text), " typ host tcptype active") != on {
			t.Errorf("on %v: %s", on, text)
		}
		p.Close()
	}
}

func useTURN(c *config.Config, s *turntest.Server, by string) {
	n := &c.Server.NAT
	n.TURNServer, n.TURNType, n.TURNUser, n.TURNPassword = "127.0.0.1", by, turntest.User, turntest.Password
	n.TURNPort = map[string]uint16{"udp": s.UDP, "tcp": s.TCP}[by]
	n.AllowForceRelay = true
}

func TestPionForcedRelay(t *testing.T) {
	waittest.NoLeaks(t)
	for _, by := range []string{"udp", "tcp"} {
		for _, trickle := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s trickle=%v", by, trickle), func(t *testing.T) {
				t.Parallel()
				relays := turntest.Start(t, turntest.Options{})
				s := testServer(t, func(c *config.Config) { useTURN(c, relays, by) })
				s.explain(t)
				p := newPionPeer(t, dial(t, s).attach(echoPackage), webrtctest.Options{Trickle: trickle, ForceRelay: true})
				p.AddChannel()
				text := p.call(echoRequest(), nil).sdp()
				list := candidates(text)
				if len(list) == 0 {
					t.Fatalf("no candidates:\n%s", text)
				}
				for _, c := range list {
					if !strings.HasSuffix(c, " typ relay raddr 0.0.0.0 rport 0") {
						t.Errorf("candidate %s", c)
					}
				}
				p.awaitUp()
				p.playAll(short)
				p.talk(echoPrefix)
				if n := relays.Allocations(); n != 1 {
					t.Errorf("%d allocations", n)
				}
				p.closeAndExpect("DTLS alert")
				s.awaitEmpty(t)
				waittest.Until(t, "the allocation is released", func() bool { return relays.Allocations() == 0 })
			})
		}
	}
}

// TestRelayIsTrickled: with full_trickle the relay comes in an event of its own.
func TestRelayIsTrickled(t *testing.T) {
	waittest.NoLeaks(t)
	relays := turntest.Start(t, turntest.Options{})
	s := testServer(t, func(c *config.Config) {
		useTURN(c, relays, "udp")
		c.Server.NAT.FullTrickle = true
	})
	p := newPionPeer(t, dial(t, s).attach(echoPackage), webrtctest.Options{Trickle: true, ForceRelay: true})
	if list := candidates(p.call(echoRequest(), nil).sdp()); len(list) != 0 {
		t.Errorf("candidates in the answer: %v", list)
	}
	var texts []string
	for {
		c, _ := p.h.awaitKind("trickle")["candidate"].(map[string]any)
		if c["completed"] == true {
			break
		}
		mid, _ := c["sdpMid"].(string)
		text, _ := c["candidate"].(string)
		texts = append(texts, text)
		p.Must(p.PC.AddICECandidate(webrtc.ICECandidateInit{Candidate: text, SDPMid: &mid}))
	}
	if len(texts) != 1 || !strings.Contains(texts[0], " typ relay raddr ") {
		t.Errorf("candidates %q", texts)
	}
	p.awaitUp()
	p.playAll(short)
}

// TestForceRelayNotAllowed: the wish is passed over.
func TestForceRelayNotAllowed(t *testing.T) {
	waittest.NoLeaks(t)
	relays := turntest.Start(t, turntest.Options{})
	s := testServer(t, func(c *config.Config) {
		useTURN(c, relays, "udp")
		c.Server.NAT.AllowForceRelay = false
	})
	p := newPionPeer(t, dial(t, s).attach(echoPackage), webrtctest.Options{ForceRelay: true})
	list := candidates(p.call(echoRequest(), nil).sdp())
	kinds := strings.Join(list, "\n")
	if !strings.Contains(kinds, " typ host") || !strings.Contains(kinds, " typ relay raddr 127.0.0.1 rport ") {
		t.Errorf("candidates:\n%s", kinds)
	}
	p.awaitUp()
	p.playAll(short)
}

// TestTURNRESTAPI: every connection asks for its own credentials.
func TestTURNRESTAPI(t *testing.T) {
	waittest.NoLeaks(t)
	relays := turntest.Start(t, turntest.Options{})
	var broken atomic.Bool
	asked := make(chan string, 8)
	rest := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked <- r.URL.RawQuery
		if broken.Load() {
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		_ = json.NewEncoder(w).Encode(map[string]any{
			"username": turntest.User, "password": turntest.Password, "ttl": 600,
			"uris": []string{fmt.Sprintf("turn:127.0.0.1:%d?transport=tcp", relays.TCP)},
		})
	}))
	t.Cleanup(rest.Close)
	s := testServer(t, func(c *config.Config) {
		n := &c.Server.NAT
		useTURN(c, relays, "udp")
		n.TURNRESTAPI, n.TURNRESTAPIKey, n.TURNRESTAPIMethod = rest.URL+"/turn", "key", "GET"
	})
	s.explain(t)
	c := dial(t, s)
	for _, fails := range []bool{false, true} {
		broken.Store(fails)
		p := newPionPeer(t, c.attach(echoPackage), webrtctest.Options{ForceRelay: true})
		p.call(echoRequest(), nil)
		p.awaitUp()
		p.playAll(short)
		if q, want := <-asked, fmt.Sprintf("service=turn&api=key&key=key&username=%d", c.Session()); q != want {
			t.Errorf("asked %q, want %q", q, want)
		}
		p.closeAndExpect("DTLS alert")
	}
}

func TestTURNInInfo(t *testing.T) {
	waittest.NoLeaks(t)
	relays := turntest.Start(t, turntest.Options{})
	for _, on := range []bool{false, true} {
		s := testServer(t, func(c *config.Config) {
			if on {
				useTURN(c, relays, "udp")
				c.Server.NAT.ICETCP = true
			}
		})
		c := dial(t, s)
		m := c.request(message{"janus": "info"})
		server, allowed := any(nil), any(nil)
		if on {
			server, allowed = fmt.Sprintf("127.0.0.1:%d", relays.UDP), true
		}
		if m["ice-tcp"] != on || m["turn-server"] != server || m["allow-force-relay"] != allowed {
			t.Errorf("on %v: ice-tcp %v, turn-server %v, allow-force-relay %v", on, m["ice-tcp"], m["turn-server"], m["allow-force-relay"])
		}
	}
}

// refusedAtStart starts a server that has to refuse, with this text.
func refusedAtStart(t *testing.T, text string, change func(*config.Config)) {
	t.Helper()
	cfg := config.Default()
	cfg.HTTP.General.Port, cfg.WebSockets.General.Port = 0, 0
	cfg.Server.NAT.EnforceList = []string{"127.0.0.1"}
	change(cfg)
	l, err := log.New(log.Config{})
	if err != nil {
		t.Fatal(err)
	}
	s, err := start(cfg, "", l)
	if err == nil {
		s.Close()
		t.Error("started")
	} else if !strings.Contains(err.Error(), text) {
		t.Errorf("error %q", err)
	}
}

// TestTURNRefusedAtStart: what cannot work is said before the first call.
func TestTURNRefusedAtStart(t *testing.T) {
	waittest.NoLeaks(t)
	relays := turntest.Start(t, turntest.Options{})
	refusedAtStart(t, "wrong user name or password", func(c *config.Config) {
		useTURN(c, relays, "udp")
		c.Server.NAT.TURNPassword = "x"
	})
	refusedAtStart(t, "http or https", func(c *config.Config) { c.Server.NAT.TURNRESTAPI = "turn.example.org/rest" })
}
