package shard

import (
	"testing"
	"time"

	"bifrons/dtls"
	"bifrons/ice"
	"bifrons/sfu/peer"
	"bifrons/sfu/simnet"
)

// ended is the last event of a peer, which has to have ended.
func (s *side) ended(t *testing.T) peer.Event {
	t.Helper()
	if len(s.events) == 0 || s.events[len(s.events)-1].Kind != peer.EventClosed {
		t.Fatalf("the peer has not ended: %+v", s.events)
	}
	return s.events[len(s.events)-1]
}

// TestCauses: a connection that a limit of time ends tells which one.
func TestCauses(t *testing.T) {
	for _, tt := range []struct {
		name   string
		reason peer.Reason
		cause  peer.Cause
		change func(o *peer.Options)
		end    func(n *simnet.Network, client, server *side)
	}{
		{"silence", peer.ReasonICEFailed, peer.CauseSilence, nil, func(n *simnet.Network, client, _ *side) {
			client.port.Down = true
			n.RunFor(70 * time.Second)
		}},
		{"consent", peer.ReasonICEFailed, peer.CauseConsent, func(o *peer.Options) { o.ConsentFreshness = true }, func(n *simnet.Network, client, server *side) {
			// Its media comes, but no answer to a check.
			server.port.Down = true
			for range 60 {
				n.RunFor(time.Second)
				if !server.core.Closed() {
					server.shard.Inject(n.Now, datagrams(client, server, sealedVideo(t, 1, 100, "0")...))
				}
			}
		}},
		{"handshake", peer.ReasonDTLSTimeout, peer.CauseHandshakeLimit, nil, func(n *simnet.Network, _, server *side) {
			server.core.DTLSClosed(n.Now, peer.DTLSCause(dtls.Timeout))
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			n := simnet.New(6)
			opt := options()
			if tt.change != nil {
				tt.change(opt)
			}
			client, server, _ := echo(t, n, simnet.Conditions{}, opt, true)
			tt.end(n, client, server)
			if ev := server.ended(t); ev.Reason != tt.reason || ev.Cause != tt.cause {
				t.Errorf("reason %q, cause %v", ev.Reason, ev.Cause)
			}
			if s := server.core.Snapshot(n.Now); s.Cause != tt.cause {
				t.Errorf("snapshot: %v", s.Cause)
			}
		})
	}
}

// TestNoPathCauses has nobody answer the checks.
func TestNoPathCauses(t *testing.T) {
	for _, trickle := range []bool{false, true} {
		n := simnet.New(6)
		s := newSide(t, n, "192.0.2.1:5000", true, simnet.Conditions{}, options())
		s.core.SetRemote(n.Now, peer.Remote{
			ICE: ice.Credentials{Ufrag: "abcd", Pwd: "0123456789012345678901"}, Trickle: trickle,
		})
		s.core.AddCandidate(n.Now, ice.Candidate{
			Foundation: "1", Component: 1, Transport: "udp", Priority: 1 << 30, Addr: s.port.Addr,
		})
		want := peer.CauseCheckingLimit
		if !trickle {
			s.core.EndOfCandidates(n.Now)
			want = peer.CauseNoPair
		}
		s.shard.Touch(s.core)
		n.RunFor(time.Minute)
		if ev := s.ended(t); ev.Reason != peer.ReasonICEFailed || ev.Cause != want {
			t.Errorf("trickle %v: reason %q, cause %v, want %v", trickle, ev.Reason, ev.Cause, want)
		}
	}
}

// TestEveryCauseHasItsWords: none of ICE or DTLS is without a Cause, nor a Cause
// without a name.
func TestEveryCauseHasItsWords(t *testing.T) {
	seen := map[string]bool{}
	for c := peer.CauseNone; c <= peer.CauseInternal; c++ {
		if c.String() == "" || seen[c.String()] || c > peer.CauseClosed && c.Reason() == "" {
			t.Errorf("cause %d: %q, %q", c, c, c.Reason())
		}
		seen[c.String()] = true
	}
	for c := ice.NoPair; c <= ice.NoLocal; c++ {
		if got := peer.ICECause(c); got.Reason() != peer.ReasonICEFailed || got.String() != c.String() {
			t.Errorf("%v became %v", c, got)
		}
	}
	for k := dtls.LocalClose; k <= dtls.Failed; k++ {
		if peer.DTLSCause(k) == peer.CauseNone {
			t.Errorf("%v became none", k)
		}
	}
}
