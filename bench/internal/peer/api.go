package peer

import (
	"context"
	"errors"
	"fmt"
	"time"

	"bifrons/api/client"
)

const keepalivePeriod = 20 * time.Second

// API is a session of the Janus API.
type API struct{ *client.Client }

// DialAPI creates a session, which is kept alive until Close.
func DialAPI(ctx context.Context, url string) (*API, error) {
	conn, err := client.WebSocket(ctx, url, nil)
	if err != nil {
		return nil, err
	}
	return NewAPI(ctx, conn)
}

// NewAPI is DialAPI over a connection that is there.
func NewAPI(ctx context.Context, conn client.Conn) (*API, error) {
	a := &API{client.New(conn, nil)}
	if err := a.Create(ctx); err != nil {
		a.Close()
		return nil, err
	}
	a.KeepAlive(keepalivePeriod)
	return a, nil
}

// Close ends the session and with it all peer connections.
func (a *API) Close() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if a.Session() != 0 && a.Err() == nil {
		_ = a.Destroy(ctx)
	}
	a.Abort()
}

// attach makes a handle whose events nobody reads.
func (a *API) attach(ctx context.Context, plugin string) (*client.Handle, error) {
	h, err := a.Attach(ctx, plugin)
	if err == nil {
		h.Ignore()
	}
	return h, err
}

func jsep(kind, sdp string) client.Object { return client.Object{"type": kind, "sdp": sdp} }

// described makes a request whose answer has a description.
func described(ctx context.Context, h *client.Handle, body, jsep client.Object) (sdp string, err error) {
	m, err := h.Ask(ctx, body, jsep)
	if err != nil {
		return "", err
	}
	if m.JSEP.SDP == "" {
		return "", errors.New("the reply lacks a description")
	}
	return m.JSEP.SDP, nil
}

// pushed waits for a description that answers no request.
func pushed(ctx context.Context, h *client.Handle) (sdp string, err error) {
	m, err := h.Await(ctx, func(m *client.Message) bool { return m.Janus == "hangup" || m.JSEP.SDP != "" })
	switch {
	case err != nil:
		return "", fmt.Errorf("no description came: %w", err)
	case m.Janus == "hangup":
		return "", fmt.Errorf("hung up: %s", m.Reason)
	}
	return m.JSEP.SDP, nil
}
