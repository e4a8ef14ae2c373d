package peer

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

// Forwarder negotiates with the plain forwarder of bench/internal/forwarder.
type Forwarder struct {
	base   string
	client http.Client
}

// NewForwarder takes the server's "http://host:port".
func NewForwarder(base string) *Forwarder { return &Forwarder{base: base} }

// Close implements Signaller.
func (f *Forwarder) Close() { f.client.CloseIdleConnections() }

func (f *Forwarder) post(ctx context.Context, path string, query url.Values, body string) (string, http.Header, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, f.base+path+"?"+query.Encode(), strings.NewReader(body))
	if err != nil {
		return "", nil, err
	}
	resp, err := f.client.Do(r)
	if err != nil {
		return "", nil, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", resp.Status, b)
	}
	return string(b), resp.Header, err
}

// Publish implements Signaller.
func (f *Forwarder) Publish(_ context.Context, room int, id uint32) (*Negotiation, error) {
	q := url.Values{"room": {strconv.Itoa(room)}, "id": {strconv.Itoa(int(id))}}
	return &Negotiation{SendOnly: true, Offer: func(ctx context.Context, offer string) (string, error) {
		answer, _, err := f.post(ctx, "/publish", q, offer)
		return answer, err
	}}, nil
}

// Subscribe implements Signaller.
func (f *Forwarder) Subscribe(_ context.Context, room int, publishers []uint32) (*Negotiation, error) {
	q := url.Values{"room": {strconv.Itoa(room)}}
	for _, id := range publishers {
		q.Add("id", strconv.Itoa(int(id)))
	}
	peer := ""
	return &Negotiation{
		Join: func(ctx context.Context) (string, error) {
			offer, head, err := f.post(ctx, "/subscribe", q, "")
			peer = head.Get("X-Peer")
			return offer, err
		},
		Answer: func(ctx context.Context, answer string) error {
			_, _, err := f.post(ctx, "/answer", url.Values{"peer": {peer}}, answer)
			return err
		},
		Leave: func(ctx context.Context) error {
			_, _, err := f.post(ctx, "/leave", url.Values{"peer": {peer}}, "")
			return err
		},
	}, nil
}
