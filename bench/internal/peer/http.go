package peer

import (
	"context"

	"bifrons/api/client"
)

// HTTP is a session of the Janus API over HTTP with a handle that can be asked.
type HTTP struct {
	client *client.Client
	handle *client.Handle
}

// NewHTTP makes it. Nobody polls for it, so it lives as long as the server keeps
// sessions that do nothing but ask.
func NewHTTP(ctx context.Context, base string) (h *HTTP, err error) {
	h = &HTTP{client: client.New(client.HTTP(base, client.HTTPOptions{}), nil)}
	if err = h.client.Create(ctx); err == nil {
		h.handle, err = h.client.Attach(ctx, roomPlugin)
	}
	if err != nil {
		h.Close()
	}
	return h, err
}

// Ask asks the handle.
func (h *HTTP) Ask(ctx context.Context) error {
	_, err := h.handle.Ask(ctx, question(), nil)
	return err
}

// Close closes its connection.
func (h *HTTP) Close() { h.client.Close() }
