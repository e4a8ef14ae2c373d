package peer

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/coder/websocket"
)

const keepalivePeriod = 20 * time.Second

// API is a session of the Janus API over a WebSocket.
type API struct {
	ws      *websocket.Conn
	stop    context.CancelFunc
	running sync.WaitGroup

	mu      sync.Mutex
	serial  int
	session uint64
	waiting map[string]chan reply
	events  map[uint64]chan reply // of the handles of which somebody reads them, nil = failed
	failed  error
}

type reply struct {
	Janus       string
	Transaction string
	Sender      uint64
	Reason      string // of a hangup
	Error       struct{ Reason string }
	Data        struct{ ID uint64 }
	PluginData  struct {
		Data struct {
			Error string
		}
	}
	JSEP struct{ SDP string }
}

// DialAPI creates a session, which is kept alive until Close.
func DialAPI(ctx context.Context, url string) (*API, error) {
	ws, _, err := websocket.Dial(ctx, url, &websocket.DialOptions{Subprotocols: []string{"janus-protocol"}})
	if err != nil {
		return nil, err
	}
	ws.SetReadLimit(1 << 20)
	live, stop := context.WithCancel(context.Background())
	a := &API{ws: ws, stop: stop, waiting: make(map[string]chan reply), events: make(map[uint64]chan reply)}
	a.running.Go(func() { a.read(live) })
	r, err := a.request(ctx, "success", map[string]any{"janus": "create"})
	if err != nil {
		a.Close()
		return nil, err
	}
	a.mu.Lock()
	a.session = r.Data.ID
	a.mu.Unlock()
	a.running.Go(func() { a.keepAlive(live) })
	return a, nil
}

// Close ends the session and with it all peer connections.
func (a *API) Close() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if a.session != 0 {
		_, _ = a.request(ctx, "success", map[string]any{"janus": "destroy"})
	}
	a.stop()
	_ = a.ws.CloseNow()
	a.running.Wait()
}

// attach makes a handle.
func (a *API) attach(ctx context.Context, plugin string) (handle uint64, err error) {
	r, err := a.request(ctx, "success", map[string]any{"janus": "attach", "plugin": plugin})
	return r.Data.ID, err
}

// listen keeps the events of a handle that answer no request, for pushed.
func (a *API) listen(handle uint64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.events != nil {
		a.events[handle] = make(chan reply, 64)
	}
}

// pushed waits for a description that answers no request.
func (a *API) pushed(ctx context.Context, handle uint64) (sdp string, err error) {
	a.mu.Lock()
	events, err := a.events[handle], a.failed
	a.mu.Unlock()
	if err != nil {
		return "", err
	}
	for {
		select {
		case <-ctx.Done():
			return "", fmt.Errorf("no description came: %w", ctx.Err())
		case r, ok := <-events:
			switch {
			case !ok:
				return "", errors.New("no description came: the WebSocket is closed")
			case r.Janus == "hangup":
				return "", fmt.Errorf("hung up: %s", r.Reason)
			case r.JSEP.SDP != "":
				return r.JSEP.SDP, nil
			}
		}
	}
}

// message sends a plugin message, with a description unless kind is "", and
// returns the reply of the wanted kind. What the plugin refuses is an error.
func (a *API) message(ctx context.Context, want string, handle uint64, body map[string]any, kind, sdp string) (reply, error) {
	m := map[string]any{"janus": "message", "handle_id": handle, "body": body}
	if kind != "" {
		m["jsep"] = map[string]any{"type": kind, "sdp": sdp}
	}
	r, err := a.request(ctx, want, m)
	if err == nil && r.PluginData.Data.Error != "" {
		err = fmt.Errorf("%v: %s", body["request"], r.PluginData.Data.Error)
	}
	return r, err
}

// described is message for those that are answered with a description.
func (a *API) described(ctx context.Context, handle uint64, body map[string]any, kind, sdp string) (string, error) {
	r, err := a.message(ctx, "event", handle, body, kind, sdp)
	if err == nil && r.JSEP.SDP == "" {
		err = errors.New("the reply lacks a description")
	}
	return r.JSEP.SDP, err
}

// request sends m and waits for a reply of the wanted kind.
func (a *API) request(ctx context.Context, kind string, m map[string]any) (reply, error) {
	replies := make(chan reply, 4)
	a.mu.Lock()
	a.serial++
	tx := fmt.Sprintf("bench%d", a.serial)
	a.waiting[tx] = replies
	m["transaction"] = tx
	if a.session != 0 {
		m["session_id"] = a.session
	}
	err := a.failed
	a.mu.Unlock()
	defer func() {
		a.mu.Lock()
		delete(a.waiting, tx)
		a.mu.Unlock()
	}()
	if err != nil {
		return reply{}, err
	}
	b, err := json.Marshal(m)
	if err != nil {
		return reply{}, err
	}
	if err := a.ws.Write(ctx, websocket.MessageText, b); err != nil {
		return reply{}, err
	}
	for {
		select {
		case <-ctx.Done():
			return reply{}, fmt.Errorf("no reply to %v: %w", m["janus"], ctx.Err())
		case r, ok := <-replies:
			switch {
			case !ok:
				return reply{}, fmt.Errorf("no reply to %v: the WebSocket is closed", m["janus"])
			case r.Janus == "error":
				return reply{}, fmt.Errorf("%v: %s", m["janus"], r.Error.Reason)
			case r.Janus == kind:
				return r, nil
			}
		}
	}
}

func (a *API) read(ctx context.Context) {
	for {
		_, b, err := a.ws.Read(ctx)
		var r reply
		if err == nil {
			err = json.Unmarshal(b, &r)
		}
		a.mu.Lock()
		if err != nil {
			a.failed = err
			for _, w := range a.waiting {
				close(w)
			}
			clear(a.waiting)
			for _, e := range a.events {
				close(e)
			}
			a.events = nil
			a.mu.Unlock()
			return
		}
		to := a.waiting[r.Transaction]
		if to == nil {
			to = a.events[r.Sender]
		}
		select {
		case to <- r:
		default: // more than anybody asked for
		}
		a.mu.Unlock()
	}
}

func (a *API) keepAlive(ctx context.Context) {
	t := time.NewTicker(keepalivePeriod)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
			_, _ = a.request(ctx, "ack", map[string]any{"janus": "keepalive"})
		}
	}
}
