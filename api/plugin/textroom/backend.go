package textroom

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"sync"
	"time"

	"bifrons/api/task"
)

// Bounds of texts that wait for back ends.
const (
	postTimeout   = 10 * time.Second // of one request
	maxWaiting    = 256              // texts for one room's back end
	maxPosting    = 64               // requests at the same time
	maxHostPosts  = 8                // of these to one host
	maxRoomBytes  = 1 << 20          // of texts for one room's back end
	maxPostBytes  = 16 << 20         // of texts for all back ends together
	postWarnEvery = 10 * time.Second // for each room
)

// posts are the texts for the back ends of all rooms.
type posts struct {
	ctx    context.Context
	cancel context.CancelFunc
	log    *slog.Logger
	client *http.Client
	slots  chan struct{}
	held   sum // of texts that wait
	tasks  task.Tasks

	mu    sync.Mutex
	hosts map[string]*hostSlots
}

// hostSlots bounds the requests to one host. It is there while somebody uses it.
type hostSlots struct {
	slots chan struct{}
	users int
}

func (p *posts) start(log *slog.Logger) {
	p.log, p.slots, p.hosts = log, make(chan struct{}, maxPosting), make(map[string]*hostSlots)
	p.client = &http.Client{
		Timeout: postTimeout,
		Transport: &http.Transport{Proxy: http.ProxyFromEnvironment, MaxIdleConns: maxPosting, MaxIdleConnsPerHost: 4,
			IdleConnTimeout: 90 * time.Second},
		// Where the text should be instead is no matter of it.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// close gives up the texts that wait.
func (p *posts) close() {
	p.cancel()
	p.tasks.Wait()
	if p.client != nil {
		p.client.CloseIdleConnections()
	}
}

// send posts a text. The answer does not matter.
func (p *posts) send(to string, text []byte) error {
	req, err := http.NewRequestWithContext(p.ctx, http.MethodPost, to, bytes.NewReader(text))
	if err != nil {
		return err
	}
	host := p.use(req.URL.Hostname())
	defer p.unuse(req.URL.Hostname())
	for _, slots := range []chan struct{}{host.slots, p.slots} { // who waits for a host holds up no others
		select {
		case slots <- struct{}{}:
			defer func() { <-slots }()
		case <-p.ctx.Done():
			return p.ctx.Err()
		}
	}
	req.Header.Set("Content-Type", "application/json")
	res, err := p.client.Do(req)
	if err != nil {
		if bad := new(url.Error); errors.As(err, &bad) {
			err = bad.Err // without the URL, which may have a password
		}
		return err
	}
	defer res.Body.Close()
	_, _ = io.CopyN(io.Discard, res.Body, 64<<10) // so that the connection can be used again
	return nil
}

// use finds or makes the slots of a host.
func (p *posts) use(host string) *hostSlots {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.hosts[host]
	if s == nil {
		s = &hostSlots{slots: make(chan struct{}, maxHostPosts)}
		p.hosts[host] = s
	}
	s.users++
	return s
}

func (p *posts) unuse(host string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.hosts[host]
	if s.users--; s.users == 0 {
		delete(p.hosts, host)
	}
}

// backend gets the messages and announcements of a room, one after another.
type backend struct {
	room  string // fixed
	posts *posts // fixed

	mu      sync.Mutex
	waiting []post
	bytes   int // of these texts
	running bool
	lost    int // texts since the last warning
	warned  time.Time
}

type post struct {
	url  string
	text []byte
}

// post has a text posted some time later, "" = nowhere. It is lost if too many wait.
func (b *backend) post(url string, text []byte) {
	if url == "" {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.waiting) >= maxWaiting || b.bytes+len(text) > min(maxRoomBytes, b.posts.held.left()/8) || !b.posts.held.take(len(text)) {
		b.fail("too many are waiting")
		return
	}
	b.waiting = append(b.waiting, post{url, text})
	b.bytes += len(text)
	if !b.running {
		b.running = true
		b.posts.tasks.Go(b.run)
	}
}

// run posts the texts that wait.
func (b *backend) run() {
	ended := false
	defer func() {
		if !ended { // by a panic
			b.giveUp()
		}
	}()
	for x, ok := b.next(); ok; x, ok = b.next() {
		if err := b.posts.send(x.url, x.text); err != nil && b.posts.ctx.Err() == nil {
			b.mu.Lock()
			b.fail(err.Error())
			b.mu.Unlock()
		}
	}
	ended = true
}

// giveUp drops the waiting messages.
func (b *backend) giveUp() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.posts.held.give(b.bytes)
	b.lost += len(b.waiting)
	b.running, b.waiting, b.bytes = false, nil, 0
}

func (b *backend) next() (post, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.waiting) == 0 {
		b.running, b.waiting = false, nil
		return post{}, false
	}
	x := b.waiting[0]
	b.waiting[0] = post{}
	b.waiting = b.waiting[1:]
	b.bytes -= len(x.text)
	b.posts.held.give(len(x.text))
	return x, true
}

// fail notes that a text is lost, and logs it now and then. mu is held.
func (b *backend) fail(why string) {
	b.lost++
	if now := time.Now(); now.Sub(b.warned) >= postWarnEvery {
		b.posts.log.Warn("texts not posted to the back end", "room", b.room, "lost", b.lost, "error", why)
		b.lost, b.warned = 0, now
	}
}
