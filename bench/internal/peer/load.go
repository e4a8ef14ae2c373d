package peer

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// Load is a number of peers that send, and of such that receive; they may be the
// same.
type Load struct {
	senders, receivers []Peer

	peers []Peer // all
	media Media
	stop  context.CancelFunc
	done  chan struct{}
}

// Connect dials n peers one after the other, patient with them until dialing
// ends. They send until ctx or Close ends them.
func Connect(dialing, ctx context.Context, api *API, dial Dial, n int, o Options) (*Load, error) {
	l := &Load{media: o.Media, done: make(chan struct{})}
	for i := range n {
		o.ID = uint32(i) + 1
		p, err := dial(dialing, api, o)
		if err != nil {
			for _, p := range l.peers {
				p.Close()
			}
			return nil, fmt.Errorf("peer %d: %w", i+1, err)
		}
		l.peers = append(l.peers, p)
	}
	l.senders, l.receivers = l.peers, l.peers
	l.start(ctx)
	return l, nil
}

func (l *Load) start(ctx context.Context) {
	ctx, l.stop = context.WithCancel(ctx)
	go l.run(ctx)
}

// turns calls one peer after the other, evenly spread over a period.
type turns struct {
	peers []Peer
	every time.Duration
	next  time.Time
	peer  int
	do    func(Peer)
}

// mostLate is how late packets are sent still, when the machine was busy.
const mostLate = 20 * time.Millisecond

// run sends for all peers from one goroutine: their frames do not coincide, as
// those of independent clients do not.
func (l *Load) run(ctx context.Context) {
	defer close(l.done)
	start := time.Now()
	turn := func(peers []Peer, hz int, do func(Peer)) *turns {
		return &turns{peers: peers, every: time.Second / time.Duration(hz*len(peers)), do: do}
	}
	all := []*turns{
		turn(l.senders, l.media.VideoFPS, Peer.SendFrame),
		turn(l.senders, l.media.AudioPPS, Peer.SendAudio),
		turn(l.peers, 1, Peer.SendReports),
	}
	for _, t := range all {
		t.next = start
	}
	for ctx.Err() == nil {
		t := slices.MinFunc(all, func(a, b *turns) int { return a.next.Compare(b.next) })
		wait := time.Until(t.next)
		if wait > 0 {
			time.Sleep(wait)
		}
		if wait < -mostLate { // what was missed is not made up for in one burst
			for _, t := range all {
				t.next = t.next.Add(-wait)
			}
		}
		t.do(t.peers[t.peer])
		t.peer = (t.peer + 1) % len(t.peers)
		t.next = t.next.Add(t.every)
	}
}

// Profile is the SRTP profile that all peers negotiated, or a list.
func (l *Load) Profile() string {
	var list []string
	for _, p := range l.peers {
		if s := p.Profile(); s != "" && !slices.Contains(list, s) {
			list = append(list, s)
		}
	}
	return fmt.Sprint(list)[1 : len(fmt.Sprint(list))-1]
}

// Open starts the measurement, Shut ends it.
func (l *Load) Open() {
	for _, w := range l.windows() {
		w.Open()
	}
}

// Shut ends the measurement.
func (l *Load) Shut() {
	for _, w := range l.windows() {
		w.Shut()
	}
}

// windows are those of all peers, of which some may share one.
func (l *Load) windows() (list []*Window) {
	for _, p := range l.peers {
		if w := p.Counts().window; !slices.Contains(list, w) {
			list = append(list, w)
		}
	}
	return list
}

// Close ends all peers.
func (l *Load) Close() {
	l.stop()
	<-l.done
	for _, p := range l.peers {
		p.Close()
	}
}

// Totals are the counts of all peers.
type Totals struct {
	Sent, SentBytes, Echoed, Strange int64
	Trips                            []time.Duration // round trips, sorted
}

// ErrSilent: a peer got nothing.
var ErrSilent = errors.New("a peer got no media")

// Totals sums up. It returns ErrSilent with them if a receiver got nothing at
// all.
func (l *Load) Totals() (t Totals, err error) {
	for _, p := range l.senders {
		c := p.Counts()
		t.Sent += c.sent.Load()
		t.SentBytes += c.sentBytes.Load()
	}
	for _, p := range l.receivers {
		c := p.Counts()
		t.Strange += c.strange.Load()
		c.mu.Lock()
		if len(c.trips) == 0 {
			err = ErrSilent
		}
		t.Trips = append(t.Trips, c.trips...)
		c.mu.Unlock()
	}
	t.Echoed = int64(len(t.Trips))
	slices.Sort(t.Trips)
	return t, err
}
