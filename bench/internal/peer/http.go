package peer

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
)

// HTTP is a session of the Janus API over HTTP with a handle that can be asked.
type HTTP struct {
	client *http.Client
	url    string // of the handle
}

// NewHTTP makes it. Nobody polls for it, so it lives as long as the server keeps
// sessions that do nothing but ask.
func NewHTTP(ctx context.Context, base string) (*HTTP, error) {
	h := &HTTP{client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 1}}, url: base}
	for _, m := range []map[string]any{{"janus": "create"}, {"janus": "attach", "plugin": roomPlugin}} {
		r, err := h.post(ctx, m)
		if err != nil {
			return nil, err
		}
		h.url += fmt.Sprintf("/%d", r.Data.ID)
	}
	return h, nil
}

func (h *HTTP) post(ctx context.Context, m map[string]any) (r reply, err error) {
	m["transaction"] = "bench"
	b, err := json.Marshal(m)
	if err != nil {
		return r, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, h.url, bytes.NewReader(b))
	if err != nil {
		return r, err
	}
	resp, err := h.client.Do(req)
	if err != nil {
		return r, err
	}
	defer resp.Body.Close()
	var body bytes.Buffer
	if _, err := body.ReadFrom(resp.Body); err != nil {
		return r, err
	}
	if err := json.Unmarshal(body.Bytes(), &r); err != nil {
		return r, err
	}
	if r.Janus != "success" {
		err = fmt.Errorf("%v: %s %s", m["janus"], r.Janus, r.Error.Reason)
	}
	return r, err
}

// Ask asks the handle.
func (h *HTTP) Ask(ctx context.Context) error {
	_, err := h.post(ctx, map[string]any{"janus": "message", "body": question()})
	return err
}

// Close closes its connection.
func (h *HTTP) Close() { h.client.CloseIdleConnections() }
