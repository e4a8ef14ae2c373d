package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"bifrons/api/client"
)

const (
	pollTime   = 30 * time.Second // of a long poll without events
	answerTime = 10 * time.Second
	mostBody   = 16 << 20 // bytes of a request
)

// texts is a connection by messages.
type texts interface {
	client.Conn
	client.Texter
}

// bridge is the HTTP server. Replies are identified by their transactions: requests under way must
// not share one.
type bridge struct {
	base    string // first part of all paths
	conn    texts
	reading sync.WaitGroup

	unnamed sync.Mutex // held for a request without a transaction

	mu      sync.Mutex
	serial  int
	waiting map[string]chan []byte // for replies, by transaction
	queues  map[uint64]*queue      // by session
}

// queue are the events of a session that nobody has polled.
type queue struct {
	list []json.RawMessage
	more chan struct{} // closed when there is one more
}

func newBridge(base string, conn texts) *bridge {
	b := &bridge{base: base, conn: conn, waiting: make(map[string]chan []byte), queues: make(map[uint64]*queue)}
	b.reading.Go(b.read)
	return b
}

// Close ends the connection to the server.
func (b *bridge) Close() {
	_ = b.conn.Close(true)
	b.reading.Wait()
}

func (b *bridge) read() {
	for {
		text, err := b.conn.Receive()
		if err != nil {
			return
		}
		b.take(text)
	}
}

// take gives a message to who waits for it: as the reply, if it is the first of its
// transaction.
func (b *bridge) take(text []byte) {
	var m struct {
		Transaction string `json:"transaction"`
		Session     uint64 `json:"session_id"`
	}
	_ = json.Unmarshal(text, &m) // an object without these members is a reply without a name
	b.mu.Lock()
	defer b.mu.Unlock()
	if m.Transaction == "" && m.Session == 0 && len(b.waiting) == 1 { // an error may lack it: it is about that one
		for m.Transaction = range b.waiting {
			break
		}
	}
	if reply := b.waiting[m.Transaction]; reply != nil && (m.Transaction != "" || m.Session == 0) {
		delete(b.waiting, m.Transaction)
		reply <- text
		return
	}
	q := b.queue(m.Session)
	q.list = append(q.list, text)
	close(q.more)
	q.more = make(chan struct{})
}

// queue is that of a session. b.mu is held.
func (b *bridge) queue(session uint64) *queue {
	q := b.queues[session]
	if q == nil {
		q = &queue{more: make(chan struct{})}
		b.queues[session] = q
	}
	return q
}

func (b *bridge) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	ids, ok := strings.CutPrefix(strings.TrimSuffix(r.URL.Path, "/"), b.base)
	session, handle, err := parse(ids)
	switch {
	case !ok:
		http.NotFound(w, r)
	case r.Method == http.MethodGet && (ids == "/info" || ids == "/ping"):
		b.answer(r.Context(), w, 0, 0, client.Object{"janus": ids[1:], "transaction": b.transaction()})
	case err != nil:
		http.NotFound(w, r)
	case r.Method == http.MethodGet && session != 0 && handle == 0:
		b.poll(w, r, session)
	case r.Method == http.MethodPost:
		text, err := io.ReadAll(http.MaxBytesReader(w, r.Body, mostBody))
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		d := json.NewDecoder(bytes.NewReader(text))
		d.UseNumber()
		var o client.Object
		if err := d.Decode(&o); err == nil && o != nil {
			b.answer(r.Context(), w, session, handle, o)
			return
		}
		reply, err := b.exchange(r.Context(), "", func(ctx context.Context) error { return b.conn.SendText(ctx, text) })
		answered(w, reply, err)
	default:
		http.Error(w, "", http.StatusMethodNotAllowed)
	}
}

// parse reads the ids of a path: none, a session, or a handle, too.
func parse(path string) (session, handle uint64, err error) {
	parts := strings.Split(path, "/")
	if len(parts) > 3 || parts[0] != "" {
		return 0, 0, fmt.Errorf("%s: not a session and a handle", path)
	}
	for i, to := range []*uint64{&session, &handle}[:len(parts)-1] {
		if *to, err = strconv.ParseUint(parts[i+1], 10, 64); err != nil {
			return 0, 0, err
		}
	}
	return session, handle, nil
}

func (b *bridge) transaction() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.serial++
	return fmt.Sprint("bridge ", b.serial)
}

func (b *bridge) answer(ctx context.Context, w http.ResponseWriter, session, handle uint64, o client.Object) {
	reply, err := b.ask(ctx, session, handle, o)
	answered(w, reply, err)
}

// answered writes a reply, or why there is none.
func answered(w http.ResponseWriter, reply []byte, err error) {
	if err != nil {
		http.Error(w, err.Error(), http.StatusGatewayTimeout)
		return
	}
	write(w, reply)
}

// ask makes a request and waits for the reply.
func (b *bridge) ask(ctx context.Context, session, handle uint64, o client.Object) ([]byte, error) {
	name, _ := o["transaction"].(string)
	return b.exchange(ctx, name, func(ctx context.Context) error { return b.conn.Send(ctx, session, handle, o) })
}

// exchange sends what has a transaction, or "", and waits for the reply.
func (b *bridge) exchange(ctx context.Context, name string, send func(context.Context) error) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	if name == "" {
		b.unnamed.Lock()
		defer b.unnamed.Unlock()
	}
	reply := make(chan []byte, 1)
	b.mu.Lock()
	b.waiting[name] = reply
	b.mu.Unlock()
	if err := send(ctx); err != nil {
		return nil, err
	}
	select {
	case text := <-reply:
		return text, nil
	case <-ctx.Done():
		b.mu.Lock()
		defer b.mu.Unlock()
		delete(b.waiting, name)
		return nil, ctx.Err()
	}
}

// poll waits for events. As with the HTTP transport, it keeps the session alive.
func (b *bridge) poll(w http.ResponseWriter, r *http.Request, session uint64) {
	text, err := b.ask(r.Context(), session, 0, client.Object{"janus": "keepalive", "transaction": b.transaction()})
	most, _ := strconv.Atoi(r.FormValue("maxev"))
	late := time.NewTimer(pollTime)
	defer late.Stop()
	events, more := b.events(session, max(most, 1))
	for len(events) == 0 && err == nil {
		if bytes.Contains(text, []byte(`"code":458`)) || bytes.Contains(text, []byte(`"code": 458`)) {
			http.NotFound(w, r)
			return
		}
		select {
		case <-more:
			events, more = b.events(session, max(most, 1))
		case <-late.C:
			events = []json.RawMessage{[]byte(`{"janus":"keepalive"}`)}
		case <-r.Context().Done():
			return
		}
	}
	switch {
	case err != nil:
		http.Error(w, err.Error(), http.StatusGatewayTimeout)
	case most > 1:
		list, _ := json.Marshal(events) // came as JSON
		write(w, list)
	default:
		write(w, events[0])
	}
}

// events takes those that wait, most of them at most; more is closed when another comes.
func (b *bridge) events(session uint64, most int) (list []json.RawMessage, more chan struct{}) {
	b.mu.Lock()
	defer b.mu.Unlock()
	q := b.queue(session)
	n := min(most, len(q.list))
	list, q.list = q.list[:n], q.list[n:]
	return list, q.more
}

func write(w http.ResponseWriter, text []byte) {
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(text)
}
