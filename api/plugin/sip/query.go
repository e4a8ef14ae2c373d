package sip

import (
	"bifrons/api/json"
	"bifrons/api/plugin"
	"bifrons/api/plugin/sip/ua"
)

// regNames are the states of a registration, by ua.RegState.
var regNames = [...]string{"disabled", "failed", "unregistered", "registering", "registered", "unregistering"}

// Query writes plugin_specific.
func (h *handle) Query(w *json.Writer) {
	h.mu.Lock()
	account, cfg, helper, helpers, c := h.account, h.settings, h.helper, h.helpers, h.call
	status := h.status()
	h.mu.Unlock()
	w.Str("unique_id", h.id)
	switch {
	case helper:
		w.Bool("helper", true)
		w.Object("master")
		writeAccount(w, account, cfg)
		w.End()
	case account != nil:
		writeAccount(w, account, cfg)
	default:
		w.Str("registration_status", regNames[ua.RegUnregistered])
	}
	w.Str("call_status", status)
	if helpers > 0 {
		w.Int("helpers", int64(helpers))
	}
	if c != nil {
		w.Str("callee", c.peer)
		s := h.leg.Secrecy()
		w.Str("srtp-required", yes(s.Required))
		for _, x := range []struct {
			name string
			is   bool
		}{{"sdes-local-audio", s.Ours}, {"sdes-local-video", s.Ours}, {"sdes-remote-audio", s.Theirs}, {"sdes-remote-video", s.Theirs}} {
			w.Str(x.name, yes(x.is))
		}
	}
	h.leg.Write(w)
	w.Bit("establishing", status == "inviting" || status == "invited" || status == "progress")
	w.Bit("established", c != nil && c.State() == ua.Established)
	h.WriteState(w)
}

func writeAccount(w *json.Writer, a *ua.Account, cfg ua.AccountConfig) {
	w.Str("username", a.User())
	w.OptStr("authuser", cfg.Credentials.User)
	if cfg.Credentials.Secret != "" || cfg.Credentials.HA1 != "" {
		w.Str("secret", "(hidden)")
	}
	w.OptStr("display_name", cfg.DisplayName)
	w.OptStr("user_agent", cfg.UserAgent)
	w.Str("identity", cfg.Identity)
	w.Str("registration_status", regNames[a.State()])
}

func yes(is bool) string {
	if is {
		return "yes"
	}
	return "no"
}

// Seat is the call that the client is in.
func (h *handle) Seat() plugin.Seat {
	h.mu.Lock()
	defer h.mu.Unlock()
	s := plugin.Seat{Name: h.settings.Identity}
	if c := h.call; c != nil {
		s.Kind, s.ID, s.State, s.Role, s.Title = plugin.InCall, c.ID(), h.status(), "callee", c.peer+" → "+s.Name
		if c.Outgoing() {
			s.Role, s.Title = "caller", s.Name+" → "+c.peer
		}
	}
	return s
}
