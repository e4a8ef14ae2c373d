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
}

func (p *posts) start(log *slog.Logger) {
	p.log, p.slots = log, make(chan struct{}, maxPosting)
	p.client = &http.Client{
		Timeout:   postTimeout,
		Transport: &http.Transport{Proxy: http.ProxyFromEnvironment, MaxIdleConnsPerHost: 4, IdleConnTimeout: 90 * time.Second},
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
	select {
	case p.slots <- struct{}{}:
	case <-p.ctx.Done():
		return p.ctx.Err()
	}
	defer func() { <-p.slots }()
	req, err := http.NewRequestWithContext(p.ctx, http.MethodPost, to, bytes.NewReader(text))
	if err != nil {
		return err
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

// backend gets the messages and announcements of a room, one after the other.
type backend struct {
	room  string // fixed
	posts *posts // fixed

	mu      sync.Mutex
	waiting []post
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
	if len(b.waiting) >= maxWaiting || !b.posts.held.take(len(text)) {
		b.fail("too many are waiting")
		return
	}
	b.waiting = append(b.waiting, post{url, text})
	if !b.running {
		b.running = true
		b.posts.tasks.Go(b.run)
	}
}

// run posts the texts that wait.
func (b *backend) run() {
	for x, ok := b.next(); ok; x, ok = b.next() {
		if err := b.posts.send(x.url, x.text); err != nil && b.posts.ctx.Err() == nil {
			b.mu.Lock()
			b.fail(err.Error())
			b.mu.Unlock()
		}
	}
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
