package streaming

import (
	"bifrons/api/json"
	"bifrons/api/kit"
	"bifrons/api/kit/rooms"
	"bifrons/api/schema"
)

// create makes a mountpoint.
func (p *Plugin) create(h *handle, r *kit.Request, w *json.Writer) (kit.Response, *schema.Error) {
	body := r.Body
	if err := authorize(body, "admin_key", p.general.AdminKey); err != nil {
		return kit.Response{}, err
	}
	permanent, err := p.File.Permanent(body, errUnknown, "create permanent mountpoint")
	if err != nil {
		return kit.Response{}, err
	}
	maker := rooms.Maker(h.Host, p.general.AdminKey)
	if why := p.mountpoints.Full(maker, "mountpoints"); why != "" {
		return fail(errCantCreate, "%s", why)
	}
	id, free := p.mountpoints.Reserve(body, "id")
	if !free {
		return fail(errCantCreate, "A stream with the provided ID already exists")
	}
	defer p.mountpoints.Release(id)
	kind := body.Lower("type")
	if err := checkKind(kind, body); err != nil {
		return kit.Response{}, err
	}
	m, err := p.build(maker, kind, id, entryOfID(id), kit.FromRequest(body))
	if err != nil {
		return kit.Response{}, err
	}
	p.Events.Notify(h.Host, func(w *json.Writer) {
		w.Str("event", "created")
		p.ids.Write(w, "id", id)
		w.Str("type", m.typeName())
	})
	permanent = permanent && p.saved(m)
	m.Lock()
	defer m.Unlock()
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

// manage runs f, with the lock, for the mountpoint that a request names and has the
// secret of.
func (p *Plugin) manage(body kit.Args, f func(m *mountpoint) *schema.Error) (found *mountpoint, err *schema.Error) {
	err = p.mountpoints.Manage(body, func(m *mountpoint) *schema.Error {
		found = m
		return f(m)
	})
	return found, err
}

// edit changes a mountpoint.
func (p *Plugin) edit(h *handle, r *kit.Request, w *json.Writer) (kit.Response, *schema.Error) {
	permanent := false
	m, err := p.manage(r.Body, func(m *mountpoint) (err *schema.Error) {
		if permanent, err = p.File.Permanent(r.Body, errUnknown, "edit mountpoint permanently"); err == nil {
			m.change(r.Body)
		}
		return err
	})
	if err != nil {
		return kit.Response{}, err
	}
	permanent = permanent && p.saved(m)
	p.notify(h.Host, "edited", m.id)
	w.Str("streaming", "edited")
	p.ids.Write(w, "id", m.id)
	w.Bool("permanent", permanent)
	return kit.Response{}, nil
}

// change applies the settings of an edit. The lock is held.
func (m *mountpoint) change(body kit.Args) {
	before := m.metadata
	m.common(true).Edit(kit.FromRequest(body))
	if !body.Is("edited_event") || body.Has("new_metadata") && m.metadata == before {
		return
	}
	m.tell(func(w *json.Writer) {
		w.Str("event", "edited")
		m.plugin.ids.Write(w, "id", m.id)
		w.OptStr("metadata", m.metadata)
	})
}

// tell sends an event to all viewers. The lock is held.
func (m *mountpoint) tell(fields func(w *json.Writer)) {
	data := json.Object(fields)
	m.eachViewer(func(v *handle) { v.Host.Push("", data, nil) })
}

// destroy ends a mountpoint.
func (p *Plugin) destroy(h *handle, r *kit.Request, w *json.Writer) (kit.Response, *schema.Error) {
	permanent := false
	m, err := p.manage(r.Body, func(m *mountpoint) (err *schema.Error) {
		permanent, err = p.File.Permanent(r.Body, errUnknown, "destroy mountpoint permanently")
		return err
	})
	if err == nil && !p.remove(m) { // meanwhile
		err = noSuch(m.id)
	}
	if err != nil {
		return kit.Response{}, err
	}
	if permanent {
		p.File.Remove(m.entry)
	}
	p.notify(h.Host, "destroyed", m.id)
	w.Str("streaming", "destroyed")
	p.ids.Write(w, "destroyed", m.id)
	return kit.Response{}, nil
}

// kickAll sends the viewers away.
func (p *Plugin) kickAll(h *handle, r *kit.Request, w *json.Writer) (kit.Response, *schema.Error) {
	m, err := p.manage(r.Body, func(m *mountpoint) *schema.Error {
		m.dismiss("kicked_all")
		return nil
	})
	if err != nil {
		return kit.Response{}, err
	}
	p.notify(h.Host, "kicked_all", m.id) // before an event about the next request
	w.Str("streaming", "kicked_all")
	return kit.Response{}, nil
}

// enabling is the request that lets media through, or keeps it back.
func (p *Plugin) enabling(on bool) run {
	return func(_ *handle, r *kit.Request, w *json.Writer) (kit.Response, *schema.Error) {
		_, err := p.manage(r.Body, func(m *mountpoint) *schema.Error {
			m.setEnabled(on)
			if !on && r.Body.FlagOr("stop_recording", true) {
				m.recordings.StopAll(nil)
			}
			return nil
		})
		w.Str("streaming", "ok")
		return kit.Response{}, err
	}
}
