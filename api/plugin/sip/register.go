package sip

import (
	"errors"
	"strings"
	"time"

	"bifrons/api/json"
	"bifrons/api/kit"
	"bifrons/api/plugin/sip/ua"
	"bifrons/api/schema"
)

var registerFields = append(schema.Typed(schema.String, "proxy", "outbound_proxy"), schema.NotNull( // these two may be null
	[]schema.Field{{Name: "username", Type: schema.String, Required: true}},
	schema.Typed(schema.String, "type", "secret", "ha1_secret", "authuser", "display_name", "user_agent"),
	schema.Typed(schema.Bool, "send_register", "force_udp", "force_tcp", "sips", "automatic_ringing", "rfc2543_cancel", "refresh"),
	schema.Typed(schema.Int, "register_ttl", "master_id"),
	schema.Typed(schema.Object, "headers", "contact_params"),
	schema.Typed(schema.Array, "incoming_header_prefixes"),
)...)

// register makes an account, or changes the one that there is, and has it registered if that is wanted.
func (h *handle) register(r *kit.Request, w *json.Writer) (kit.Response, *schema.Error) {
	body := r.Body
	switch {
	case body.Str("type") == "helper":
		return h.help(r, w)
	case h.helper:
		return kit.Fail(errHelper, "This handle helps another one")
	case h.account != nil && h.account.State() >= ua.RegRegistering && !body.Is("refresh"):
		return kit.Fail(errRegistered, "Already registered (%s)", h.account.User())
	}
	cfg, err := h.accountConfig(body)
	if err != nil {
		return kit.Response{}, err
	}
	if err := h.open(cfg); err != nil {
		return kit.Response{}, err
	}
	h.set(func() {
		h.settings, h.quiet = cfg, !body.FlagOr("automatic_ringing", true)
		h.wish(body)
	})
	user := h.account.User()
	if cfg.Register {
		writeEvent(w, "registering", func(w *json.Writer) { w.Str("unique_id", h.id) })
		return kit.Response{}, nil
	}
	writeEvent(w, "registered", func(w *json.Writer) {
		w.Str("username", user)
		w.Bool("register_sent", false)
		w.Int("master_id", int64(h.number))
		w.Str("unique_id", h.id)
	})
	h.notify("registered", func(w *json.Writer) {
		w.Str("identity", cfg.Identity)
		w.Str("type", "guest")
		w.Int("master_id", int64(h.number))
		w.Str("unique_id", h.id)
	})
	return kit.Response{}, nil
}

// open makes the account, or changes it.
func (h *handle) open(cfg ua.AccountConfig) *schema.Error {
	if h.account != nil {
		return failure(h.account.Register(cfg), cfg.Identity)
	}
	e, err := h.plugin.sip()
	if err != nil {
		return err
	}
	a, fault := e.Account(cfg, &listener{h})
	if fault != nil {
		return failure(fault, cfg.Identity)
	}
	h.set(func() { h.account, h.number = a, h.plugin.enlist(h) })
	return nil
}

// failure is an error of an account or call as clients hear it; address is the one that may be wrong.
func failure(err error, address string) *schema.Error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, ua.ErrAddress):
		return kit.Errorf(errAddress, "Invalid user address %s", address)
	case errors.Is(err, ua.ErrHeaders):
		return kit.Errorf(errInvalidElement, "Invalid element (headers may have 2048 bytes in sum)")
	case errors.Is(err, ua.ErrClosed):
		return kit.Errorf(errStack, "The SIP stack has ended")
	}
	return kit.Errorf(errWrongState, "Wrong state (%v)", err)
}

// accountConfig reads the settings of an account. Those of the one that there is hold where a refresh says nothing.
func (h *handle) accountConfig(body kit.Args) (cfg ua.AccountConfig, _ *schema.Error) {
	g := &h.plugin.general
	guest := body.Str("type") == "guest"
	cfg = ua.AccountConfig{
		Identity: body.Str("username"), DisplayName: body.Str("display_name"), Register: body.FlagOr("send_register", !guest),
		TTL: g.TTL, Proxy: body.Str("proxy"), OutboundProxy: body.Str("outbound_proxy"), Transport: ua.UDP,
		UserAgent: body.Str("user_agent"), Headers: headers(body, "headers"), ContactParams: headers(body, "contact_params"),
		RFC2543Cancel: body.Is("rfc2543_cancel"),
		Credentials:   ua.Credentials{User: body.Str("authuser"), Secret: body.Str("secret"), HA1: body.Str("ha1_secret")},
	}
	if n, ok := body.Number("register_ttl"); ok && n > 0 {
		cfg.TTL = time.Duration(min(n, maxTTL)) * time.Second
	}
	switch {
	case !ua.Valid(cfg.Identity, false):
		return cfg, kit.Errorf(errAddress, "Invalid user address %s", cfg.Identity)
	case cfg.Proxy != "" && !ua.Valid(cfg.Proxy, true):
		return cfg, kit.Errorf(errAddress, "Invalid proxy address %s", cfg.Proxy)
	case cfg.OutboundProxy != "" && !ua.Valid(cfg.OutboundProxy, true):
		return cfg, kit.Errorf(errAddress, "Invalid outbound_proxy address %s", cfg.OutboundProxy)
	case guest && body.Is("send_register"):
		return cfg, kit.Errorf(errInvalidElement, "Invalid element (a guest does not register)")
	case body.Is("force_udp") && body.Is("force_tcp"):
		return cfg, kit.Errorf(errInvalidElement, "Invalid element (force_udp and force_tcp)")
	}
	if body.Is("force_tcp") {
		cfg.Transport = ua.TCP
	}
	if guest {
		return cfg, nil
	}
	return cfg, checkSecrets(body, true)
}

// maxTTL is the longest registration that can be asked for, in seconds.
const maxTTL = 1 << 31

// checkSecrets reports whether a request has one secret, or none where none is needed.
func checkSecrets(body kit.Args, needed bool) *schema.Error {
	switch plain, ha1 := body.Has("secret"), body.Has("ha1_secret"); {
	case plain && ha1:
		return kit.Errorf(errInvalidElement, "Conflicting elements (secret and ha1_secret)")
	case needed && !plain && !ha1:
		return kit.Errorf(errMissingElement, "Missing element (secret or ha1_secret)")
	}
	return nil
}

// headers reads an object of header fields or parameters; values that are not texts are left out.
func headers(body kit.Args, name string) (list ua.Headers) {
	body.Get(name).GetObject().Visit(func(key []byte, v *json.Value) {
		if text, ok := json.String(v); ok {
			list = append(list, ua.Header{Name: string(key), Value: text})
		}
	})
	return list
}

// wish adds to the header fields that the client wants to see. mu is held.
func (h *handle) wish(body kit.Args) {
	if !body.Has("incoming_header_prefixes") {
		return
	}
	list, _ := body.Texts("incoming_header_prefixes")
	if h.prefixes == nil {
		h.prefixes = []string{}
	}
	for _, p := range list {
		if len(h.prefixes) < maxPrefixes {
			h.prefixes = append(h.prefixes, p)
		}
	}
}

const maxPrefixes = 64

// help makes the handle a helper of another one.
func (h *handle) help(r *kit.Request, w *json.Writer) (kit.Response, *schema.Error) {
	id, given := r.Body.Number("master_id")
	m := h.plugin.master(uint32(id))
	switch {
	case !given:
		return kit.Fail(errMissingElement, "Missing mandatory element (master_id)")
	case h.helper:
		return kit.Fail(errHelper, "Already a helper")
	case h.account != nil:
		return kit.Fail(errHelper, "This handle has an account of its own")
	case id < 0 || id > 1<<32-1 || m == nil:
		return kit.Fail(errHelper, "Invalid master ID %d", id)
	}
	m.mu.Lock()
	account, prefixes, settings := m.account, m.prefixes, m.settings
	m.mu.Unlock()
	if account == nil {
		return kit.Fail(errHelper, "Invalid master ID %d", id)
	}
	a, err := account.Helper(&listener{h})
	if err != nil {
		return kit.Fail(errHelper, "This handle cannot be helped (%v)", err)
	}
	m.set(func() { m.helpers++ })
	h.set(func() {
		h.account, h.helper, h.number, h.prefixes, h.settings = a, true, uint32(id), prefixes, settings
		h.quiet = !r.Body.FlagOr("automatic_ringing", true)
		h.wish(r.Body)
	})
	writeEvent(w, "registered", func(w *json.Writer) {
		w.Str("username", a.User())
		w.Bool("register_sent", false)
		w.Bool("helper", true)
		w.Int("master_id", id)
		w.Str("unique_id", h.id)
	})
	h.notify("registered", func(w *json.Writer) {
		w.Str("identity", settings.Identity)
		w.Str("type", "guest")
		w.Bool("helper", true)
		w.Int("master_id", id)
		w.Str("unique_id", h.id)
	})
	return kit.Response{}, nil
}

// unregister takes the registration back.
func (h *handle) unregister(_ *kit.Request, w *json.Writer) (kit.Response, *schema.Error) {
	switch {
	case h.account == nil:
		return kit.Fail(errWrongState, "Wrong state (register first)")
	case h.helper:
		h.dismiss()
	default:
		if err := h.account.Unregister(); err != nil {
			return kit.Fail(errWrongState, "Wrong state (not registered)")
		}
	}
	writeEvent(w, "unregistering", nil)
	resp := kit.Response{}
	if h.account == nil {
		resp.After = h.Host.End
	}
	return resp, nil
}

// registered reports that the registrar has accepted the account.
func (h *handle) registered(e ua.Registered) {
	h.tellRegistration("registered", func(w *json.Writer) {
		w.Str("username", h.account.User())
		w.Bool("register_sent", true)
		w.Int("master_id", int64(h.number))
		h.writeHeaders(w, e.Headers)
	})
	h.notify("registered", func(w *json.Writer) {
		w.Str("identity", h.settings.Identity)
		w.OptStr("proxy", h.settings.Proxy)
	})
}

// unregistered reports that the registrar has forgotten the account.
func (h *handle) unregistered(e ua.Failure) {
	h.tellRegistration("unregistered", func(w *json.Writer) {
		w.Str("username", h.account.User())
		h.writeHeaders(w, e.Headers)
	})
	h.notify("unregistered", func(w *json.Writer) { w.Str("identity", h.settings.Identity) })
}

// refused reports that there is no registration. Another one may be tried.
func (h *handle) refused(e ua.Failure) {
	h.push("registration_failed", nil, func(w *json.Writer) {
		w.Int("code", int64(e.Code))
		w.Str("reason", e.Reason)
		h.writeHeaders(w, e.Headers)
	})
	h.notify("registration_failed", func(w *json.Writer) {
		w.Int("code", int64(e.Code))
		w.Str("reason", e.Reason)
	})
}

// tellRegistration informs the client of the outcome of its registration.
func (h *handle) tellRegistration(event string, fields func(w *json.Writer)) {
	h.Host.Push("", json.Object(func(w *json.Writer) {
		w.Str("sip", "event")
		w.Str("unique_id", h.id)
		w.Object("result")
		w.Str("event", event)
		fields(w)
		w.End()
	}), nil)
}

// display is a name as headers have it.
func display(name string) string {
	if name == "" {
		return ""
	}
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(name) + `"`
}
