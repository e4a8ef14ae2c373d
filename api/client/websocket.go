package client

import (
	"context"
	"encoding/json"

	"github.com/coder/websocket"
)

// Subprotocols of the Janus API and of the Admin API.
const (
	Protocol      = "janus-protocol"
	AdminProtocol = "janus-admin-protocol"
)

// most is the size of a message, in bytes.
const most = 16 << 20

type webSocket struct{ conn *websocket.Conn }

// WebSocket connects to a URL. The subprotocol is that of the Janus API unless o has
// one; o may be nil.
func WebSocket(ctx context.Context, url string, o *websocket.DialOptions) (Conn, error) {
	var own websocket.DialOptions
	if o != nil {
		own = *o
	}
	if own.Subprotocols == nil {
		own.Subprotocols = []string{Protocol}
	}
	conn, _, err := websocket.Dial(ctx, url, &own)
	if err != nil {
		return nil, err
	}
	conn.SetReadLimit(most)
	return webSocket{conn}, nil
}

// encode writes a request with its ids.
func encode(session, handle uint64, m Object) ([]byte, error) {
	if session != 0 {
		m["session_id"] = session
	}
	if handle != 0 {
		m["handle_id"] = handle
	}
	return json.Marshal(m)
}

func (w webSocket) Send(ctx context.Context, session, handle uint64, m Object) error {
	text, err := encode(session, handle, m)
	if err != nil {
		return err
	}
	return w.SendText(ctx, text)
}

func (w webSocket) SendText(ctx context.Context, text []byte) error {
	return w.conn.Write(ctx, websocket.MessageText, text)
}

func (w webSocket) Receive() ([]byte, error) {
	_, text, err := w.conn.Read(context.Background())
	return text, err
}

func (w webSocket) Close(polite bool) error {
	if polite {
		return w.conn.Close(websocket.StatusNormalClosure, "")
	}
	return w.conn.CloseNow()
}
