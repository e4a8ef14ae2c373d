package plugintest

import (
	"bytes"
	"slices"
	"strings"
	"sync"
	"time"

	"bifrons/api/json"
	"bifrons/api/plugin"
	"bifrons/api/signalling"
	"bifrons/api/task"
	"bifrons/sdp"
	"bifrons/sfu"
)

// Transaction is that of all messages but those of Message.
const Transaction = "t"

// Client is a client with one handle, and the plugin's Host of that. Work that the core
// would run on the handle's executor runs on one here, too.
//
// There are two kinds. Attach makes a described client, which exchanges typed
// descriptions with the plugin, and has no peer connection behind them: Peer is nil, but
// Up is true. Connect makes one whose descriptions are texts, with a peer connection of
// the engine, for a WebRTC client to connect to.
type Client struct {
	Handle plugin.Handle

	core     *Core
	opt      Options
	session  uint64
	id       uint64
	exec     *task.Serial
	endpoint *signalling.Endpoint // nil = described

	sending sync.Mutex // Message comes one at a time

	mu         sync.Mutex
	more       chan struct{} // closed when an event comes
	events     []Event
	pushed     [][2][]byte    // data as it was pushed, and as it has to stay
	offers     []*plugin.JSEP // not answered
	jseps      []*plugin.JSEP
	notices    []string
	connection bool      // a described one
	peer       *sfu.Peer // of that, if it is deaf
	closed     int       // calls of ClosePeer
	gone       bool
}

// Options distinguish clients. The zero value will do.
type Options struct {
	Session  uint64 // 0 = one of its own
	OpaqueID string
	Token    string

	// Deaf gives a described client a peer connection of the engine, which has no
	// other side.
	Deaf bool

	// Slow says that a described client's connection that the plugin closes is there
	// until Hangup.
	Slow bool

	// Host makes the plugin's Host of the Client; nil = the Client itself.
	Host func(x *Client) plugin.Host
}

// Attach makes a described client.
func (c *Core) Attach(o Options) *Client {
	c.t.Helper()
	x, err := c.TryAttach(o)
	if err != nil {
		c.t.Fatal(err)
	}
	return x
}

// TryAttach is Attach for a client that the plugin may refuse.
func (c *Core) TryAttach(o Options) (*Client, error) { return c.attach(o, false) }

// Connect makes a client whose descriptions are texts.
func (c *Core) Connect(o Options) *Client {
	c.t.Helper()
	x, err := c.attach(o, true)
	if err != nil {
		c.t.Fatal(err)
	}
	return x
}

func (c *Core) attach(o Options, connects bool) (*Client, error) {
	x := &Client{core: c, opt: o, session: o.Session, more: make(chan struct{})}
	c.mu.Lock()
	c.serial++
	x.id = c.serial
	if x.session == 0 {
		x.session = 1_000_000 + x.id
	}
	c.mu.Unlock()
	x.exec = task.NewSerial(1024, &c.tasks, newAlarm(c.t))
	if connects {
		x.endpoint = x.newEndpoint()
	}
	var host plugin.Host = x
	if o.Host != nil {
		host = o.Host(x)
	}
	var err error
	if x.Handle, err = c.plugin.Attach(host); err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.clients = append(c.clients, x)
	return x, nil
}

// Message gives the plugin a message, and runs its work on the executor. It
// does not wait for that.
func (x *Client) Message(transaction, body string, j *plugin.JSEP) plugin.Result {
	x.core.t.Helper()
	x.sending.Lock()
	defer x.sending.Unlock()
	if j != nil {
		x.mu.Lock()
		x.connection = true
		x.mu.Unlock()
	}
	res := x.Handle.Message(&plugin.Request{Transaction: transaction, Body: Parse(x.core.t, body), JSEP: j})
	if res.Run != nil {
		x.exec.Must(func() {
			if !x.isGone() {
				res.Run()
			}
		})
	} else if res.Failure == "" {
		compact(x.core.t, res.Data)
	}
	if j != nil && x.endpoint != nil {
		x.endpoint.CloseUnused()
	}
	return res
}

// Send sends a message and waits until the plugin is done with it. It takes all
// events that have not been read, with the immediate answer as the first if there is
// one, each on a line of its own (Event.String).
func (x *Client) Send(body string, j *plugin.JSEP) string {
	x.core.t.Helper()
	res := x.Message(Transaction, body, j)
	text := x.Take()
	if res.Run != nil {
		return text
	}
	return strings.TrimSuffix(string(res.Data)+res.Failure+"\n"+text, "\n")
}

// Take waits until no client has anything left to do, and takes the events that have
// come since they were read last, each on a line of its own.
func (x *Client) Take() string {
	x.core.t.Helper()
	x.Settle()
	var lines []string
	for _, e := range x.Events() {
		lines = append(lines, e.String())
	}
	return strings.Join(lines, "\n")
}

// Ask sends a message and returns its answer: the immediate one, or the first event with its
// transaction. Other events can still be read.
func (x *Client) Ask(body string, j *plugin.JSEP) Event {
	x.core.t.Helper()
	res := x.Message(Transaction, body, j)
	if res.Run == nil {
		return Event{Transaction: Transaction, Data: string(res.Data) + res.Failure}
	}
	x.Settle()
	x.mu.Lock()
	defer x.mu.Unlock()
	i := slices.IndexFunc(x.events, func(e Event) bool { return e.Transaction == Transaction })
	if i < 0 {
		x.core.t.Fatalf("no answer to %s, only %v", body, x.events)
	}
	e := x.events[i]
	x.events = slices.Delete(x.events, i, i+1)
	return e
}

// Events takes the events that have come since they were read last.
func (x *Client) Events() []Event {
	x.mu.Lock()
	defer x.mu.Unlock()
	list := x.events
	x.events = nil
	return list
}

// Await takes events until one is as wanted, and returns that.
func (x *Client) Await(what string, wanted func(e Event) bool) Event {
	x.core.t.Helper()
	late := time.NewTimer(Patience)
	defer late.Stop()
	var seen []Event
	for {
		x.mu.Lock()
		more := x.more
		for len(x.events) > 0 {
			e := x.events[0]
			x.events = x.events[1:]
			if wanted(e) {
				x.mu.Unlock()
				return e
			}
			seen = append(seen, e)
		}
		x.mu.Unlock()
		select {
		case <-more:
		case <-late.C:
			x.core.t.Fatalf("no %s, only %v", what, seen)
		}
	}
}

// AwaitText is Await for an event whose text has these words.
func (x *Client) AwaitText(words string) Event {
	x.core.t.Helper()
	return x.Await(words, func(e Event) bool { return strings.Contains(e.String(), words) })
}

// Offer is the oldest offer of the plugin that has not been answered, nil if there is
// none.
func (x *Client) Offer() *plugin.JSEP {
	x.mu.Lock()
	defer x.mu.Unlock()
	if len(x.offers) == 0 {
		return nil
	}
	return x.offers[0]
}

// JSEPs are all descriptions that the plugin has pushed.
func (x *Client) JSEPs() []*plugin.JSEP {
	x.mu.Lock()
	defer x.mu.Unlock()
	return slices.Clone(x.jseps)
}

// Answer is how a described client answers the oldest offer: it takes everything. It is
// nil if there is no offer.
func (x *Client) Answer() *plugin.JSEP {
	offer := x.Offer()
	if offer == nil {
		return nil
	}
	x.mu.Lock()
	x.offers = x.offers[1:]
	x.mu.Unlock()
	a := sdp.Answer(offer.SDP, sdp.AnswerOptions{})
	for i := range a.Sections {
		if offer.SDP.Sections[i].Direction == sdp.Inactive {
			a.Sections[i].Direction = sdp.Inactive
		}
	}
	return &plugin.JSEP{SDP: a}
}

// Establish tells the plugin that a described client's connection is up.
func (x *Client) Establish() { x.exec.Must(x.establish); x.Settle() }

func (x *Client) establish() {
	plugin.Established(x.Handle)
	x.tell(Event{Kind: "webrtcup"})
	plugin.Started(x.Handle)
}

// Pass gives the plugin the events of the connection.
func (x *Client) Pass(e sfu.Event) {
	x.exec.Must(func() { plugin.Happened(x.Handle, e) })
	x.Settle()
}

// Data gives the plugin a message of a data channel.
func (x *Client) Data(label, protocol string, binary bool, payload []byte) {
	lent := bytes.Clone(payload)
	plugin.Received(x.Handle, label, protocol, binary, lent)
	for i := range lent {
		lent[i] ^= 0xff // it was only lent
	}
}

// Hangup ends the peer connection for the client. A described one has ended then.
func (x *Client) Hangup() {
	x.hangup("Janus API")
	if x.endpoint == nil {
		x.Settle()
	}
}

// Detach ends the handle for the client, and waits until it has ended.
func (x *Client) Detach() {
	x.end()
	x.Settle()
}

// Query is the plugin's answer to the Admin API about the handle.
func (x *Client) Query() string {
	w := json.NewWriter(nil)
	w.Object("")
	x.Handle.Query(w)
	w.End()
	return string(compact(x.core.t, w.Bytes()))
}

// Notices takes the events for event handlers about this handle since the last call.
func (x *Client) Notices() []string {
	x.mu.Lock()
	defer x.mu.Unlock()
	list := x.notices
	x.notices = nil
	return list
}

// Closed is how often the plugin has closed the peer connection.
func (x *Client) Closed() int {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.closed
}

// Settle waits until no client has anything left to do.
func (x *Client) Settle() {
	x.core.t.Helper()
	x.core.Settle()
}

// Hold keeps the executor from doing anything until release is called.
func (x *Client) Hold() (release func()) {
	held := make(chan struct{})
	x.exec.Must(func() { <-held })
	return sync.OnceFunc(func() { close(held) })
}

func (x *Client) isGone() bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.gone
}

// tell sends an event to the client.
func (x *Client) tell(e Event) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.events = append(x.events, e)
	close(x.more)
	x.more = make(chan struct{})
}
