package ice

import (
	"net/netip"
	"testing"
	"time"

	"bifrons/rtp/mono"

	"github.com/pion/stun/v3"
)

var stunServer = netip.MustParseAddrPort("192.0.2.3:3478")

// asked returns a started client and its requests.
func asked(t *testing.T) (*Reflexive, *[]*stun.Message) {
	var out []*stun.Message
	var n byte
	r := NewReflexive(stunServer, func(b []byte) { n++; b[0] = n }, func(p Path, b []byte) {
		m := &stun.Message{Raw: append([]byte(nil), b...)}
		if err := m.Decode(); err != nil || m.Type != stun.BindingRequest || p.Remote != stunServer || p.Local.IsValid() {
			t.Errorf("request %v to %v: %v", m, p, err)
		}
		out = append(out, m)
	})
	if r.Deadline() != mono.Never || r.Done() {
		t.Error("busy before the start")
	}
	r.Start(start)
	return r, &out
}

func stunAnswer(t *testing.T, req *stun.Message, setters ...stun.Setter) []byte {
	m, err := stun.Build(append([]stun.Setter{stun.NewTransactionIDSetter(req.TransactionID), stun.BindingSuccess}, setters...)...)
	if err != nil {
		t.Fatal(err)
	}
	return m.Raw
}

func TestReflexive(t *testing.T) {
	r, out := asked(t)
	mapped := &stun.XORMappedAddress{IP: []byte{198, 51, 100, 1}, Port: 4321}
	good := stunAnswer(t, (*out)[0], mapped)
	other := netip.MustParseAddrPort("192.0.2.4:3478")
	bad := *(*out)[0]
	bad.TransactionID[0]++
	if r.Handle(start+1, other, good) || r.Handle(start+1, stunServer, stunAnswer(t, &bad, mapped)) ||
		r.Handle(start+1, stunServer, good[:30]) || r.Handle(start+1, stunServer, (*out)[0].Raw) || r.Done() {
		t.Error("a wrong answer was taken")
	}
	if !r.Handle(start+2, stunServer, good) || !r.Done() {
		t.Error("the answer was not taken")
	}
	a, ok := r.Address()
	if !ok || a.String() != "198.51.100.1:4321" {
		t.Error(a)
	}
	if r.Handle(start+3, stunServer, good) {
		t.Error("the answer was taken twice")
	}
	// The binding is refreshed; an address that has changed is seen.
	d := r.Deadline()
	if d.Sub(start) < 20*time.Second || d.Sub(start) > 30*time.Second {
		t.Errorf("refresh after %v", d.Sub(start))
	}
	r.Advance(d)
	if len(*out) != 2 || (*out)[1].TransactionID == (*out)[0].TransactionID {
		t.Fatal("no refresh")
	}
	mapped.Port = 4322
	r.Handle(d+1, stunServer, stunAnswer(t, (*out)[1], mapped))
	if a, _ := r.Address(); a.Port() != 4322 {
		t.Error(a)
	}
	// A refresh without answer keeps what is known, and is tried again.
	now := d
	for len(*out) < 12 && now.Sub(d) < 2*time.Minute {
		now = r.Deadline()
		r.Advance(now)
		if r.Deadline() <= now {
			t.Fatal("the deadline does not move")
		}
	}
	if _, ok := r.Address(); !ok || now.Sub(d) < 50*time.Second {
		t.Errorf("%d requests in %v", len(*out), now.Sub(d))
	}
}

func TestReflexiveGivesUp(t *testing.T) {
	r, out := asked(t)
	now := start
	for r.Deadline() != mono.Never {
		now = r.Deadline()
		r.Advance(now)
	}
	if _, ok := r.Address(); ok || !r.Done() || now.Sub(start) != 5*time.Second || len(*out) != 4 {
		t.Errorf("%d requests in %v", len(*out), now.Sub(start))
	}
	r, out = asked(t)
	refusal, _ := stun.Build(stun.NewTransactionIDSetter((*out)[0].TransactionID), stun.BindingError, stun.CodeUnauthorized)
	if !r.Handle(start+1, stunServer, refusal.Raw) || !r.Done() || r.Deadline() != mono.Never {
		t.Error("a refusal does not end it")
	}
}
