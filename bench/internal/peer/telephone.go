package peer

import (
	"context"
	"encoding/json"
	"fmt"

	"bifrons/api/client"
)

const sipPlugin = "janus.plugin.sip"

// Telephone is a handle that is registered at an Exchange.
type Telephone struct {
	h    *client.Handle
	echo string // that sends back the audio it gets
}

// Register registers a new telephone.
func (j *Janus) Register(ctx context.Context, x *Exchange, id uint32) (*Telephone, error) {
	h, err := j.Attach(ctx, sipPlugin)
	if err != nil {
		return nil, err
	}
	body := client.Object{
		"request": "register", "username": fmt.Sprintf("sip:user%d@%s", id, x.addr), "secret": "secret", "proxy": "sip:" + x.addr.String(),
	}
	if _, err := h.Ask(ctx, body, nil); err != nil {
		return nil, err
	}
	p := &Telephone{h, "sip:echo@" + x.addr.String()}
	return p, p.await(ctx, "registered")
}

// await waits for an event of the plugin.
func (p *Telephone) await(ctx context.Context, event string) error {
	_, err := p.h.Await(ctx, func(m *client.Message) bool { return pluginEvent(m) == event })
	if err != nil {
		err = fmt.Errorf("not %s: %w", event, err)
	}
	return err
}

func pluginEvent(m *client.Message) string {
	var e struct {
		PluginData struct {
			Data struct{ Result struct{ Event string } }
		}
	}
	_ = json.Unmarshal(m.Raw, &e)
	return e.PluginData.Data.Result.Event
}

// Call calls the telephone of the exchange, which sends the media back.
func (p *Telephone) Call() *Negotiation {
	return &Negotiation{
		Offer: func(ctx context.Context, offer string) (string, error) {
			if _, err := p.h.Ask(ctx, client.Object{"request": "call", "uri": p.echo}, jsep("offer", offer)); err != nil {
				return "", err
			}
			return pushed(ctx, p.h)
		},
		Leave: func(ctx context.Context) error {
			if _, err := p.h.Ask(ctx, client.Object{"request": "hangup"}, nil); err != nil {
				return err
			}
			_, err := p.h.Await(ctx, func(m *client.Message) bool { return m.Janus == "hangup" })
			return err
		},
	}
}
