package plugintest

import (
	"bytes"
	"log/slog"
	"sync"
	"testing"

	"bifrons/api/plugin"
	"bifrons/sdp"
	"bifrons/sfu"
)

var _ plugin.Host = (*Client)(nil)

// The methods of plugin.Host.

func (x *Client) SessionID() uint64 { return x.session }
func (x *Client) HandleID() uint64  { return x.id }
func (x *Client) OpaqueID() string  { return x.opt.OpaqueID }
func (x *Client) Token() string     { return x.opt.Token }
func (x *Client) Run(f func())      { x.exec.Must(f) }

// Push keeps an event for the client. Its data must not change any more.
func (x *Client) Push(transaction string, data []byte, j *plugin.JSEP) error {
	if x.isGone() {
		return nil
	}
	e := Event{Transaction: transaction, Data: string(data), JSEP: j}
	if j != nil && x.endpoint != nil {
		if err := x.setLocal(&e, data); err != nil {
			return err
		}
	} else {
		x.push(e, data)
	}
	return nil
}

// Tell keeps news for the client.
func (x *Client) Tell(topic string, data []byte) {
	if !x.isGone() {
		e := Event{Topic: topic, Data: string(data)}
		x.push(e, data)
	}
}

func (x *Client) push(e Event, data []byte) {
	compact(x.core.t, data)
	x.mu.Lock()
	if len(x.pushed) == most {
		x.checkPushed()
	}
	x.pushed = append(x.pushed, [2][]byte{data, bytes.Clone(data)})
	if e.JSEP != nil {
		x.connection = true
		x.jseps = append(x.jseps[max(0, len(x.jseps)-most):], e.JSEP)
		if x.opt.Deaf && x.peer == nil {
			var err error
			if x.peer, err = x.core.Engine().NewPeer(sfu.PeerConfig{}, deaf{}); err != nil {
				x.core.t.Errorf("plugintest: %v", err)
			}
		}
		if e.JSEP.SDP.Type == sdp.TypeOffer {
			x.offers = append(x.offers, e.JSEP)
		}
	}
	x.mu.Unlock()
	x.tell(e)
}

// most bounds the events that are kept, for fuzz tests.
const most = 1000

// checkPushed checks that pushed events have not changed. x.mu is held.
func (x *Client) checkPushed() {
	for _, data := range x.pushed {
		if !bytes.Equal(data[0], data[1]) {
			x.core.t.Errorf("plugintest: what was pushed as\n%s\nhas become\n%s", data[1], data[0])
		}
	}
	x.pushed = nil
}

// Reserve gives a place whose release is checked at the end of the test. There is no
// order among several clients of a session here.
func (x *Client) Reserve() plugin.Place {
	x.core.mu.Lock()
	defer x.core.mu.Unlock()
	x.core.places++
	return place{sync.OnceFunc(func() {
		x.core.mu.Lock()
		defer x.core.mu.Unlock()
		x.core.places--
	})}
}

type place struct{ release func() }

func (p place) Release() { p.release() }

// Peer is the peer connection, nil for a described client that is not deaf.
func (x *Client) Peer() *sfu.Peer {
	if x.endpoint != nil {
		return x.endpoint.Peer()
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.peer
}

// deaf hears nothing of a peer connection.
type deaf struct{}

func (deaf) PeerEvent(sfu.Event)                   {}
func (deaf) PeerData(string, string, bool, []byte) {}

// Up reports whether the peer connection is established.
func (x *Client) Up() bool { return x.endpoint == nil || x.endpoint.Established() != nil }

// ClosePeer closes the peer connection for the plugin.
func (x *Client) ClosePeer() {
	x.mu.Lock()
	x.closed++
	x.mu.Unlock()
	if x.endpoint != nil || !x.opt.Slow {
		x.hangup("Close PC")
	}
}

func (x *Client) hangup(reason string) {
	if x.endpoint != nil {
		x.endpoint.Close(sfu.Reason(reason))
		return
	}
	if !x.disconnect() {
		return
	}
	x.exec.Must(func() {
		if !x.isGone() {
			x.Handle.Hangup(reason)
			x.tell(Event{Kind: "hangup", Data: reason})
		}
	})
}

// disconnect forgets the connection of a described client; false if there is none.
func (x *Client) disconnect() bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	was := x.connection
	if x.peer != nil {
		x.peer.Close("hangup")
	}
	x.connection, x.offers, x.peer = false, nil, nil
	return was
}

// End detaches the handle for the plugin.
func (x *Client) End() { x.end() }

func (x *Client) end() {
	x.mu.Lock()
	ended := x.gone
	x.gone = true
	x.checkPushed()
	x.mu.Unlock()
	if ended {
		return
	}
	connected := x.endEndpoint()
	x.exec.Must(func() {
		if x.disconnect() || connected {
			x.Handle.Hangup("Detach")
		}
		x.Handle.Detach()
		x.tell(Event{Kind: "detached"})
	})
}

// Notify keeps an event for event handlers.
func (x *Client) Notify(data []byte) {
	x.core.Notify("", data)
	x.mu.Lock()
	defer x.mu.Unlock()
	x.notices = append(x.notices[max(0, len(x.notices)-most):], string(data))
}

func newAlarm(t testing.TB) *slog.Logger { return slog.New(alarm{slog.DiscardHandler, t}) }
