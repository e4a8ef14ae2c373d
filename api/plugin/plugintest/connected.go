package plugintest

import (
	"errors"
	"fmt"
	"time"

	"bifrons/api/plugin"
	"bifrons/api/signalling"
	"bifrons/sdp"
	"bifrons/sfu"
)

// newEndpoint makes the server's end of a connected client.
func (x *Client) newEndpoint() *signalling.Endpoint {
	cfg := &signalling.Config{Engine: x.core.Engine(), CandidatesTimeout: time.Minute, Now: time.Now}
	return signalling.New(cfg, signalling.Client{
		Owner: x.session, Label: fmt.Sprint(x.id), Executor: x.exec, Handler: connection{x},
	})
}

// Remote takes in the description of a connected client, with all its candidates.
// What the plugin gets to see goes with a message.
func (x *Client) Remote(typ, text string) *plugin.JSEP {
	x.core.t.Helper()
	j, err := x.TryRemote(typ, text)
	if err != nil {
		x.core.t.Fatalf("%v in\n%s", err, text)
	}
	return j
}

// TryRemote is Remote for a description that may be of no use.
func (x *Client) TryRemote(typ, text string) (*plugin.JSEP, error) {
	kind := sdp.TypeOffer
	if typ == "answer" {
		kind = sdp.TypeAnswer
	}
	if err := x.endpoint.Expect(kind); err != nil {
		if errors.Is(err, signalling.ErrUnexpectedAnswer) && plugin.TakesAnswerAgain(x.Handle) {
			if r := x.endpoint.Repeated(text); r != nil {
				return &plugin.JSEP{SDP: r.SDP, Simulcast: r.Simulcast}, nil
			}
		}
		return nil, err
	}
	if kind == sdp.TypeOffer && !plugin.TakesOffer(x.Handle) {
		return nil, errors.New("plugintest: the handle takes no offer now")
	}
	d, err := sdp.Parse(text)
	if err != nil {
		return nil, err
	}
	d.Type = kind
	r, err := x.endpoint.SetRemote(d, signalling.Options{Text: text})
	if err != nil {
		return nil, err
	}
	return &plugin.JSEP{SDP: r.SDP, Update: r.Update, Simulcast: r.Simulcast}, nil
}

// setLocal sends a description of the plugin to a connected client.
func (x *Client) setLocal(e *Event, data []byte) error {
	j := e.JSEP
	return x.endpoint.SetLocal(j.SDP, signalling.LocalOptions{E2EE: j.E2EE, Restart: j.Restart}, func(text string) {
		e.SDP = text
		x.push(*e, data)
	})
}

// endEndpoint is true if there was a peer connection.
func (x *Client) endEndpoint() bool {
	return x.endpoint != nil && x.endpoint.End("Detach", func(*signalling.Connection) {}) != nil
}

// connection passes on the events of the peer connection, as the core does.
type connection struct{ x *Client }

func (c connection) Up() { c.x.establish() }

func (c connection) Closed(_ *signalling.Connection, reason string) {
	c.x.Handle.Hangup(reason)
	if !c.x.isGone() {
		c.x.tell(Event{Kind: "hangup", Data: reason})
	}
}

func (c connection) Event(e sfu.Event, mid, kind string) {
	switch e.Kind {
	case sfu.EventICEFailed, sfu.EventICEState, sfu.EventSelectedPair, sfu.EventDTLSState:
		return
	case sfu.EventDataReady:
		plugin.Writable(c.x.Handle)
		return
	case sfu.EventMedia:
		c.x.tell(Event{Kind: "media", Data: fmt.Sprint(mid, " ", kind, " ", e.Receiving)})
	case sfu.EventSlowLink:
		c.x.tell(Event{Kind: "slowlink", Data: mid + " " + kind})
	}
	plugin.Happened(c.x.Handle, e)
}

func (c connection) Data(label, protocol string, binary bool, payload []byte) {
	plugin.Received(c.x.Handle, label, protocol, binary, payload)
}

func (c connection) Candidate(string, int, string) {}
