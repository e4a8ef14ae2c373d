package streaming

import (
	"bifrons/api/json"
	"bifrons/api/kit"
	"bifrons/api/plugin"
	"bifrons/api/schema"
	"bifrons/sdp"
)

// create makes a mountpoint.
func (p *Plugin) create(h *handle, r *kit.Request, w *json.Writer) (kit.Response, *schema.Error) {
	body := r.Body
	if err := authorize(body, "admin_key", p.general.adminKey); err != nil {
		return failed(err)
	}
	permanent := body.Is("permanent")
	if permanent && p.general.file == "" {
		return fail(errUnknown, "No configuration file, can't create permanent mountpoint")
	}
	id, err := p.reserve(body)
	if err != nil {
		return failed(err)
	}
	defer p.release(id)
	kind := body.Lower("type")
	var m *mountpoint
	if err = checkKind(kind, body); err == nil {
		m, err = p.build(kind, id, body)
	}
	if err == nil {
		if err = p.add(m); err != nil {
			m.stop()
		}
	}
	if err != nil {
		return failed(err)
	}
	p.notifyCreated(h.host, m)
	if permanent {
		permanent = p.saved(m, true)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	w.Str("streaming", "created")
	w.Str("created", m.name)
	w.Bool("permanent", permanent)
	w.Object("stream")
	m.describeCreated(w)
	w.End()
	if m.kind == typeRTP && m.legacy {
		return kit.Response{Warning: "deprecated_api"}, nil
	}
	return kit.Response{}, nil
}

// reserve takes the id of a request, or a random one, until the mountpoint is
// made.
func (p *Plugin) reserve(body kit.Args) (string, *schema.Error) {
	id, given := p.ids.Parse(body.Get("id"))
	given = given && p.ids.Canonical(id)
	p.mu.Lock()
	defer p.mu.Unlock()
	for {
		if !given {
			id = p.ids.New()
		}
		_, busy := p.creating[id]
		if p.mountpoints[id] == nil && !busy {
			p.creating[id] = struct{}{}
			return id, nil
		}
		if given {
			return "", errorf(errCantCreate, "A stream with the provided ID already exists")
		}
	}
}

// release gives an id that was reserved free.
func (p *Plugin) release(id string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.creating, id)
}

// checkKind looks at the fields that depend on the type.
func checkKind(kind string, body kit.Args) *schema.Error {
	switch kind {
	case typeRTP:
		return checkRTP(body)
	case typeLive, typeOnDemand:
		return check(fileFields, body)
	case typeRTSP:
		return check(rtspFields, body)
	}
	return nil // build knows
}

func checkRTP(body kit.Args) *schema.Error {
	if err := check(rtpFields, body); err != nil {
		return err
	}
	if n, ok := body.Number("abscapturetime_src_ext_id"); ok && n < 1 {
		return errorf(errInvalidElement, "Invalid value (abscapturetime_src_ext_id should be between 1 and 14)")
	}
	if body.Has("media") {
		for _, item := range body.Items("media") { // what is no object lacks everything
			if err := check(streamFields, item); err != nil {
				return err
			}
			kind := item.Str("type")
			if k, ok := parseKind(kind); ok && k == sdp.Application {
				if err := check(dataFields, item); err != nil {
					return err
				}
			}
		}
		return nil
	}
	for _, old := range legacyKinds {
		if !json.True(body.Get(old.prefix)) {
			continue
		}
		if err := check(legacyFields[old.prefix], body); err != nil {
			return err
		}
	}
	return nil
}

// notifyCreated tells the event handlers.
func (p *Plugin) notifyCreated(host plugin.Host, m *mountpoint) {
	if p.general.events && p.gw.Notifying() {
		host.Notify(object(func(w *json.Writer) {
			w.Str("event", "created")
			p.ids.Write(w, "id", m.id)
			w.Str("type", m.typeName())
		}))
	}
}

// manage runs f, with p.mu held, for the mountpoint that a request names and has
// the secret of.
func (p *Plugin) manage(body kit.Args, f func(m *mountpoint) (kit.Response, *schema.Error)) (kit.Response, *schema.Error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	m, err := p.find(body)
	if err == nil {
		err = authorize(body, "secret", m.secret)
	}
	if err != nil {
		return failed(err)
	}
	return f(m)
}

// edit changes a mountpoint.
func (p *Plugin) edit(h *handle, r *kit.Request, w *json.Writer) (kit.Response, *schema.Error) {
	permanent := r.Body.Is("permanent")
	var m *mountpoint
	resp, err := p.manage(r.Body, func(found *mountpoint) (kit.Response, *schema.Error) {
		if permanent && p.general.file == "" {
			return fail(errUnknown, "No configuration file, can't edit mountpoint permanently")
		}
		m = found
		m.change(r.Body)
		return kit.Response{}, nil
	})
	if err != nil {
		return resp, err
	}
	if permanent {
		permanent = p.saved(m, true)
	}
	p.notify(h.host, "edited", m.id)
	w.Str("streaming", "edited")
	p.ids.Write(w, "id", m.id)
	w.Bool("permanent", permanent)
	return resp, nil
}

// change takes over what an edit says. p.mu is held.
func (m *mountpoint) change(body kit.Args) {
	for field, to := range map[string]*string{"new_description": &m.description, "new_secret": &m.secret} {
		if text := body.Str(field); text != "" {
			*to = text
		}
	}
	if pin, ok := body.Text("new_pin"); ok {
		m.pin = pin
	}
	if on, ok := body.Flag("new_is_private"); ok {
		m.hidden = on
	}
	tell := body.Is("edited_event")
	if text, ok := body.Text("new_metadata"); ok {
		tell = tell && text != m.metadata
		m.metadata = text
	}
	if !tell {
		return
	}
	data := object(func(w *json.Writer) {
		w.Str("event", "edited")
		m.plugin.ids.Write(w, "id", m.id)
		w.OptStr("metadata", m.metadata)
	})
	for v := range m.viewers {
		v.host.Push("", data, nil)
	}
}

// destroy ends a mountpoint.
func (p *Plugin) destroy(h *handle, r *kit.Request, w *json.Writer) (kit.Response, *schema.Error) {
	permanent := r.Body.Is("permanent")
	var m *mountpoint
	resp, err := p.manage(r.Body, func(found *mountpoint) (kit.Response, *schema.Error) {
		if permanent && p.general.file == "" {
			return fail(errUnknown, "No configuration file, can't destroy mountpoint permanently")
		}
		m = found
		return kit.Response{}, nil
	})
	if err != nil {
		return resp, err
	}
	if !p.remove(m) { // meanwhile
		return failed(noSuch(m.id))
	}
	if permanent {
		p.saved(m, false)
	}
	p.notify(h.host, "destroyed", m.id)
	w.Str("streaming", "destroyed")
	p.ids.Write(w, "destroyed", m.id)
	return resp, nil
}

// kickAll sends the viewers away.
func (p *Plugin) kickAll(h *handle, r *kit.Request, w *json.Writer) (kit.Response, *schema.Error) {
	return p.manage(r.Body, func(m *mountpoint) (kit.Response, *schema.Error) {
		m.dismiss("kicked_all")
		w.Str("streaming", "kicked_all")
		return kit.Response{After: func() { p.notify(h.host, "kicked_all", m.id) }}, nil
	})
}

// enable and disable let media through and keep it back.
func (p *Plugin) enable(r *kit.Request, w *json.Writer) (kit.Response, *schema.Error) {
	return p.setEnabled(r, w, true)
}

func (p *Plugin) disable(r *kit.Request, w *json.Writer) (kit.Response, *schema.Error) {
	return p.setEnabled(r, w, false)
}

func (p *Plugin) setEnabled(r *kit.Request, w *json.Writer, on bool) (kit.Response, *schema.Error) {
	return p.manage(r.Body, func(m *mountpoint) (kit.Response, *schema.Error) {
		m.setEnabled(on)
		w.Str("streaming", "ok")
		return kit.Response{}, nil
	})
}

// recording starts and stops recording, which there is none of yet.
func (p *Plugin) recording(r *kit.Request, _ *json.Writer) (kit.Response, *schema.Error) {
	return p.manage(r.Body, func(m *mountpoint) (kit.Response, *schema.Error) {
		action := r.Body.Lower("action")
		fields := []schema.Field{{Name: "media", Type: schema.Array}}
		switch {
		case action != "start" && action != "stop":
			return fail(errInvalidElement, "Invalid action (should be start|stop)")
		case !m.live():
			return fail(errInvalidRequest, "Recording is only available on RTP-based live streams")
		}
		wanted, kind := len(r.Body.Items("media")) > 0, schema.String
		if action == "stop" {
			kind = schema.Bool
		}
		for _, old := range legacyKinds {
			fields = append(fields, schema.Field{Name: old.prefix, Type: kind})
			wanted = wanted || r.Body.Has(old.prefix)
		}
		if err := check(fields, r.Body); err != nil {
			return failed(err)
		}
		if !wanted {
			return fail(errInvalidRequest, "Missing at least one of audio, video and data, or media")
		}
		return fail(errCantRecord, "Recording is not available in this build yet")
	})
}
