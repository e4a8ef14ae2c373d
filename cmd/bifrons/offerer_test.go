package main

import (
	"bifrons/api/json"
	"bifrons/api/module"
	"bifrons/api/plugin"
	"bifrons/sdp"
	"bifrons/sfu"
)

// offererPackage is the name that clients attach to for an offer.
const offererPackage = "janus.plugin.offerer"

// offerer is a plugin for tests: it offers audio, video and data, and sends
// back what it gets.
type offerer struct{}

func (offerer) Info() module.Info {
	return module.Info{Package: offererPackage, Name: "offerer", VersionString: "0.0.1", Version: 1}
}
func (offerer) Start(plugin.Gateway) error { return nil }
func (offerer) Close()                     {}

func (offerer) Admin(*json.Value) ([]byte, error) { return nil, plugin.ErrNoAdmin }

func (offerer) Attach(host plugin.Host) (plugin.Handle, error) {
	return &offererHandle{host: host}, nil
}

type offererHandle struct{ host plugin.Host }

// Message takes {"request":"offer"}, with "restart" for an ICE restart, and
// {"request":"answer"} with the client's answer.
func (h *offererHandle) Message(r *plugin.Request) plugin.Result {
	return plugin.Ack("", func() {
		name, _ := json.String(r.Body.Get("request"))
		switch {
		case name == "offer":
			h.push(r.Transaction, "offered", &plugin.JSEP{SDP: newOffer(), Restart: json.True(r.Body.Get("restart"))})
		case name == "answer" && r.JSEP != nil && r.JSEP.SDP.Type == sdp.TypeAnswer:
			h.subscribe()
			h.push(r.Transaction, "ok", nil)
		default:
			h.push(r.Transaction, "nonsense", nil)
		}
	})
}

func newOffer() *sdp.Description {
	mid, twcc := sdp.Extension{URI: sdp.URIMID}, sdp.Extension{URI: sdp.URITransportCC}
	return sdp.Offer(sdp.OfferOptions{Name: "offerer", Sections: []sdp.OfferSection{
		{Kind: sdp.Audio, Direction: sdp.SendRecv, Codec: sdp.Opus, Extensions: []sdp.Extension{mid}},
		{Kind: sdp.Video, Direction: sdp.SendRecv, Codec: sdp.VP8, Extensions: []sdp.Extension{mid, twcc}},
		{Kind: sdp.Application},
	}})
}

func (h *offererHandle) subscribe() {
	peer := h.host.Peer()
	for i := range 2 {
		peer.Subscribe(sfu.Subscription{Origin: peer, Track: i, Section: i})
	}
}

func (h *offererHandle) push(transaction, result string, j *plugin.JSEP) {
	w := json.NewWriter(nil)
	w.Object("")
	w.Str("result", result)
	w.End()
	if err := h.host.Push(transaction, w.Bytes(), j); err != nil {
		h.push(transaction, err.Error(), nil)
	}
}

func (h *offererHandle) Data(label, protocol string, binary bool, payload []byte) {
	if peer := h.host.Peer(); peer != nil {
		_ = peer.SendData(label, protocol, binary, payload)
	}
}

func (h *offererHandle) Hangup(string)      { h.push("", "done", nil) }
func (h *offererHandle) Detach()            {}
func (h *offererHandle) Query(*json.Writer) {}
