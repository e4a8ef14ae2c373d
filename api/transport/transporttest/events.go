package transporttest

import (
	"encoding/json"
	"fmt"
	"os"
	"sync"
	"testing"
	"time"

	"bifrons/api/client"
	"bifrons/api/event"
	"bifrons/api/janus"
	"bifrons/api/plugin/videoroom"
	"bifrons/rtp/waittest"
	"bifrons/sfu/webrtctest"
)

// Witness knows which events a core has for an event handler, and in which order.
type Witness struct {
	*event.Outlet
	t testing.TB

	mu      sync.Mutex
	told    []string
	arrived int
	repeats int // arrivals that came before
	wrong   string
}

// Handle starts an event handler for all events of the core.
func (l *Lab) Handle(h event.Handler, s event.Settings) *Witness {
	l.T.Helper()
	s.Enabled, s.Events = true, []string{"all"}
	w := &Witness{t: l.T, Outlet: event.NewOutlet(h, s, "lab", Quiet())}
	w.Start()
	l.T.Cleanup(func() { w.Close(waittest.Patience) })
	l.Core.AddSink(w)
	return w
}

// Notify notes an event, and passes it on.
func (w *Witness) Notify(n *janus.Notification) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.told = append(w.told, key(int(n.Type), n.Time.UnixMicro(), string(n.Event)))
	w.Outlet.Notify(n)
}

func key(typ int, micros int64, event string) string {
	return fmt.Sprintf("%d %d %s", typ, micros, event)
}

// Arrived takes a message of the handler: an event, or several.
func (w *Witness) Arrived(message []byte) {
	type envelope struct {
		Type      int
		Timestamp int64
		Emitter   string
		Event     json.RawMessage
	}
	var list []envelope
	if json.Unmarshal(message, &list) != nil {
		list = make([]envelope, 1)
		if err := json.Unmarshal(message, &list[0]); err != nil {
			w.t.Errorf("%v: %s", err, message)
			return
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, e := range list {
		w.arrive(key(e.Type, e.Timestamp, string(e.Event)))
	}
}

// mayRepeat is how many messages may be under way when a connection breaks.
const mayRepeat = 300

func (w *Witness) arrive(k string) {
	if w.arrived < len(w.told) && w.told[w.arrived] == k {
		w.arrived++
		return
	}
	for i := max(0, w.arrived-mayRepeat); i < w.arrived; i++ {
		if w.told[i] == k {
			w.repeats++
			return
		}
	}
	if w.wrong == "" {
		w.wrong = fmt.Sprintf("event %d is %s", w.arrived, k)
		if w.arrived < len(w.told) {
			w.wrong += ", not " + w.told[w.arrived]
		}
	}
}

// Complete waits until all events so far have arrived, in order. It returns how many came
// again.
func (w *Witness) Complete() (repeats int) {
	w.t.Helper()
	state := func() (told, arrived int, wrong string) {
		w.mu.Lock()
		defer w.mu.Unlock()
		return len(w.told), w.arrived, w.wrong
	}
	waittest.UntilWithin(w.t, 2*waittest.Patience, "all events have arrived", func() bool {
		told, arrived, wrong := state()
		return wrong != "" || told == arrived
	})
	told, arrived, wrong := state()
	if wrong != "" || told == 0 {
		w.t.Fatalf("%d of %d events; %s", arrived, told, wrong)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.repeats
}

// Away is for a broker that is away: it returns when some events wait for it, or, with
// BIFRONS_SOAK set, after a minute.
func Away(t testing.TB, w *Witness) {
	t.Helper()
	start := time.Now()
	waittest.UntilWithin(t, 2*waittest.Patience, "events wait", func() bool {
		return w.Stats().Queued > 10 && (os.Getenv("BIFRONS_SOAK") == "" || time.Since(start) > time.Minute)
	})
}

// Call is a call of three in a video room.
type Call struct {
	lab     *Lab
	clients []*client.Client
	peers   []*webrtctest.Peer
	stop    []func()
}

// Call begins a call of three, in a room of its own.
func (l *Lab) Call() *Call {
	t := l.T
	t.Helper()
	ctx, cancel := InTime()
	defer cancel()
	l.calls++
	call := &Call{lab: l}
	for n := range 3 {
		c := l.Direct()
		must(t, c.Create(ctx))
		h, err := c.Attach(ctx, videoroom.Package)
		must(t, err)
		if n == 0 {
			_, err = h.Ask(ctx, client.Object{"request": "create", "room": l.calls, "publishers": 3}, nil)
			must(t, err)
		}
		_, err = h.Ask(ctx, client.Object{"request": "join", "ptype": "publisher", "room": l.calls, "id": n + 1}, nil)
		must(t, err)
		p := webrtctest.NewPeer(t, webrtctest.Options{})
		m, err := h.Ask(ctx, client.Object{"request": "configure", "audio": true, "video": true}, client.Object{"type": "offer", "sdp": p.Offer(nil)})
		must(t, err)
		p.Accept(m.JSEP.SDP)
		_, err = h.Await(ctx, func(m *client.Message) bool { return m.Janus == "webrtcup" }) // from now on it is a feed
		must(t, err)
		p.AwaitConnected()
		call.clients, call.peers = append(call.clients, c), append(call.peers, p)
	}
	for n, c := range call.clients {
		h, err := c.Attach(ctx, videoroom.Package)
		must(t, err)
		var streams []client.Object
		for other := range call.clients {
			if other != n {
				streams = append(streams, client.Object{"feed": other + 1})
			}
		}
		m, err := h.Ask(ctx, client.Object{"request": "join", "ptype": "subscriber", "room": l.calls, "streams": streams}, nil)
		must(t, err)
		p := webrtctest.NewReceiver(t, webrtctest.Options{})
		_, err = h.Ask(ctx, client.Object{"request": "start"}, client.Object{"type": "answer", "sdp": p.Answer(m.JSEP.SDP)})
		must(t, err)
		p.AwaitConnected()
		call.peers = append(call.peers, p)
	}
	for _, p := range call.peers[:3] {
		call.stop = append(call.stop, p.KeepPlaying(webrtctest.Pace{Frames: 10, Packets: 2, Every: 30 * time.Millisecond}))
	}
	for _, p := range call.peers[3:] {
		p.Seen.AwaitMore(t, "video")
	}
	return call
}

// End ends the call.
func (c *Call) End() {
	c.lab.T.Helper()
	ctx, cancel := InTime()
	defer cancel()
	for _, stop := range c.stop {
		stop()
	}
	for _, x := range c.clients {
		must(c.lab.T, x.Destroy(ctx))
	}
	for _, p := range c.peers {
		p.Close()
	}
}
