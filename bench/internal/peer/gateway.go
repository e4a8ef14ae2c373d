package peer

import (
	"context"
	"encoding/json"
	"errors"

	"bifrons/api/client"
)

const gatewayPlugin = "janus.plugin.nosip"

// Telephone has one peer call another one through two legs outside WebRTC, with plain
// RTP between them, as a gateway has it. Both send.
func (j *Janus) Telephone(ctx context.Context, secure bool) (caller, callee *Negotiation, err error) {
	from, err := j.attach(ctx, gatewayPlugin)
	if err != nil {
		return nil, nil, err
	}
	to, err := j.attach(ctx, gatewayPlugin)
	if err != nil {
		return nil, nil, err
	}
	body := func(request string) client.Object {
		o := client.Object{"request": request}
		if secure {
			o["srtp"] = "sdes_mandatory"
		}
		return o
	}
	process := func(kind, text string) client.Object {
		o := body("process")
		o["type"], o["sdp"] = kind, text
		return o
	}
	offered, answered := make(chan string, 1), make(chan string, 1)
	caller = &Negotiation{
		Offer: func(ctx context.Context, offer string) (string, error) {
			text, err := generated(ctx, from, body("generate"), jsep("offer", offer))
			if err != nil {
				return "", err
			}
			offered <- text
			if text, err = wait(ctx, answered); err != nil {
				return "", err
			}
			return described(ctx, from, process("answer", text), nil)
		},
		Leave: from.Detach,
	}
	callee = &Negotiation{
		SendBack: true,
		Join: func(ctx context.Context) (string, error) {
			text, err := wait(ctx, offered)
			if err != nil {
				return "", err
			}
			return described(ctx, to, process("offer", text), nil)
		},
		Answer: func(ctx context.Context, answer string) error {
			text, err := generated(ctx, to, body("generate"), jsep("answer", answer))
			if err == nil {
				answered <- text
			}
			return err
		},
		Leave: to.Detach,
	}
	return caller, callee, nil
}

// generated asks for a plain description.
func generated(ctx context.Context, h *client.Handle, body, jsep client.Object) (string, error) {
	m, err := h.Ask(ctx, body, jsep)
	if err != nil {
		return "", err
	}
	var reply struct {
		PluginData struct {
			Data struct{ Result struct{ SDP string } }
		}
	}
	if err := json.Unmarshal(m.Raw, &reply); err != nil {
		return "", err
	}
	if text := reply.PluginData.Data.Result.SDP; text != "" {
		return text, nil
	}
	return "", errors.New("the reply lacks a plain description")
}

func wait(ctx context.Context, c <-chan string) (string, error) {
	select {
	case text := <-c:
		return text, nil
	case <-ctx.Done():
		return "", ctx.Err()
	}
}
