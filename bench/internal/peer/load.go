package peer

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"
)

// Load is peers that send and such that receive; they may be the same.
type Load struct {
	hub       *Hub
	media     Media
	senders   []Sender
	receivers []interface{ Got() int64 }
	peers     []Peer // all
	reporters []Reporter

	mu   sync.Mutex
	stop context.CancelFunc
	done chan struct{}
}

// NewLoad is a load without peers, whose senders send this.
func NewLoad(h *Hub, m Media) *Load { return &Load{hub: h, media: m} }

// Add adds a peer, which is the load's from then on. It may be called from
// several goroutines.
func (l *Load) Add(p Peer, sends, receives bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.peers = append(l.peers, p)
	if s, ok := p.(Sender); ok && sends {
		l.senders = append(l.senders, s)
	}
	if r, ok := p.(interface{ Got() int64 }); ok && receives {
		l.receivers = append(l.receivers, r)
	}
	if r, ok := p.(Reporter); ok {
		l.reporters = append(l.reporters, r)
	}
}

// AddSender adds a sender without a peer connection.
func (l *Load) AddSender(s Sender) { l.senders = append(l.senders, s) }

// Start has the senders send until ctx or Close ends it.
func (l *Load) Start(ctx context.Context) {
	ctx, l.stop = context.WithCancel(ctx)
	l.done = make(chan struct{})
	go l.run(ctx)
}

// turns calls one after another, evenly spread over a period.
type turns struct {
	count func() int
	hz    int
	next  time.Time
	turn  int
	do    func(int)
}

// mostLate is how late packets are sent still, when the machine was busy.
const mostLate = 20 * time.Millisecond

// run sends for all peers from one goroutine: their frames do not coincide, as
// those of independent clients do not.
func (l *Load) run(ctx context.Context) {
	defer close(l.done)
	senders := func() int {
		l.mu.Lock()
		defer l.mu.Unlock()
		return len(l.senders)
	}
	sender := func(i int) Sender {
		l.mu.Lock()
		defer l.mu.Unlock()
		return l.senders[i]
	}
	all := []*turns{{hz: 1, count: l.reporting, do: l.report}}
	if l.media.VideoFPS > 0 {
		all = append(all, &turns{hz: l.media.VideoFPS, count: senders, do: func(i int) { sender(i).SendFrame() }})
	}
	if l.media.AudioPPS > 0 {
		all = append(all, &turns{hz: l.media.AudioPPS, count: senders, do: func(i int) { sender(i).SendAudio() }})
	}
	start := time.Now()
	for _, t := range all {
		t.next = start
	}
	for ctx.Err() == nil {
		t := slices.MinFunc(all, func(a, b *turns) int { return a.next.Compare(b.next) })
		wait := time.Until(t.next)
		if wait > 0 {
			time.Sleep(wait)
		}
		if wait < -mostLate { // missed packets are not made up for in one burst
			for _, t := range all {
				t.next = t.next.Add(-wait)
			}
		}
		n := max(t.count(), 1)
		if t.turn < t.count() {
			t.do(t.turn)
		}
		t.turn = (t.turn + 1) % n
		t.next = t.next.Add(time.Second / time.Duration(t.hz*n))
	}
}

func (l *Load) reporting() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.reporters)
}

func (l *Load) report(i int) {
	l.mu.Lock()
	r := l.reporters[i]
	l.mu.Unlock()
	r.SendReports()
}

// Profile is the SRTP profile that all peers negotiated, or a list.
func (l *Load) Profile() string {
	var list []string
	for _, p := range l.peers {
		if s := p.Profile(); !slices.Contains(list, s) {
			list = append(list, s)
		}
	}
	return strings.Join(list, " ")
}

// Peers are all peers of the load.
func (l *Load) Peers() []Peer { return l.peers }

// ErrSilent: a peer got nothing.
var ErrSilent = errors.New("a peer got no media")

// AllGot returns ErrSilent if a receiver got nothing in the window.
func (l *Load) AllGot() error {
	for _, r := range l.receivers {
		if r.Got() == 0 {
			return ErrSilent
		}
	}
	return nil
}

// Close ends all peers. It may be called again.
func (l *Load) Close() {
	if l.stop != nil {
		l.stop()
		<-l.done
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, p := range l.peers {
		p.Close()
	}
	l.peers = nil
}
