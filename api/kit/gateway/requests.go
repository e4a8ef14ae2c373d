package gateway

import (
	"log/slog"
	"net/netip"
	"time"

	"bifrons/api/config"
	"bifrons/api/json"
	"bifrons/api/kit"
	"bifrons/api/kit/forward"
	"bifrons/api/plugin"
	"bifrons/api/schema"
	"bifrons/sfu"
)

// File are the settings of a plugin's file that are the same for all plugins with legs.
type File struct {
	SDPIP     netip.Addr       `cfg:"sdp_ip"`
	Ports     config.PortRange `cfg:"rtp_port_range"`
	DSCPAudio int              `cfg:"dscp_audio_rtp" range:"0..63"`
	DSCPVideo int              `cfg:"dscp_video_rtp" range:"0..63"`

	// Symmetric lets media come from elsewhere than the description says, see sfu.RTPRemote. Janus has no such
	// setting.
	Symmetric bool `cfg:"symmetric_rtp"`
	// Timeout is after how long without a packet of the far end a call ends, 0 = never. Janus has no such setting.
	Timeout time.Duration `cfg:"rtp_timeout" unit:"s" range:"0.."`

	forward.Policy
}

// DefaultFile are the settings without a file.
var DefaultFile = File{Ports: config.PortRange{Min: 10000, Max: 60000}, Policy: forward.DefaultPolicy}

// Config is the part that legs share which bind their ports to an address. gateway is asked for when there is one.
func (f *File) Config(bind netip.Addr, gateway func() plugin.Gateway, codes Codes, unknown int) Config {
	engine := func() *sfu.Engine { return gateway().Engine() }
	return Config{
		Engine: engine, Log: func() *slog.Logger { return gateway().Logger() }, Codes: codes,
		Settings: Settings{
			Addr: bind, SDPAddr: f.SDPIP, Ports: f.Ports, DSCP: [2]int{f.DSCPAudio, f.DSCPVideo}, Symmetric: f.Symmetric,
			Timeout: f.Timeout,
		},
		Rules: &forward.Rules{Policy: f.Policy, Engine: engine, Of: "call", Codes: codes.Codes, Failed: unknown},
	}
}

// Forwards answers the requests about forwarders, and informs event handlers.
type Forwards struct {
	Key    string // of the plugin's answers
	Events *kit.Events
	Nobody func() plugin.Host // whose the events are
}

// Begin answers rtp_forward.
func (x Forwards) Begin(l *Leg, body kit.Args, w *json.Writer) *schema.Error {
	list, err := l.Forward(l.cfg.Rules, body)
	if err != nil {
		return err
	}
	x.answer(w, "rtp_forward", func(w *json.Writer) { WriteForwarders(w, "forwarders", list) })
	for _, f := range list {
		x.Events.Notify(x.Nobody(), func(w *json.Writer) {
			w.Str("event", "rtp_forward")
			WriteForwarder(w, f)
		})
	}
	return nil
}

// Stop answers stop_rtp_forward; noSuch is the code of the error if there is no such forwarder.
func (x Forwards) Stop(l *Leg, body kit.Args, noSuch int, w *json.Writer) *schema.Error {
	id := body.Num("stream_id")
	if !l.StopForward(id) {
		return kit.Errorf(noSuch, "No such stream (%d)", id)
	}
	fields := func(w *json.Writer) { w.Int("stream_id", id) }
	x.answer(w, "stop_rtp_forward", fields)
	x.Events.Notify(x.Nobody(), func(w *json.Writer) {
		w.Str("event", "stop_rtp_forward")
		fields(w)
	})
	return nil
}

// List answers listforwarders.
func (x Forwards) List(l *Leg, w *json.Writer) {
	x.answer(w, "forwarders", func(w *json.Writer) { WriteForwarders(w, "rtp_forwarders", l.Forwarders()) })
}

func (x Forwards) answer(w *json.Writer, event string, fields func(w *json.Writer)) {
	kit.WriteResult(w, x.Key, func(w *json.Writer) {
		w.Str("event", event)
		fields(w)
	})
}
