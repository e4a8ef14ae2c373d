package audiobridge

import (
	"bifrons/api/json"
	"bifrons/api/kit"
	"bifrons/api/schema"
)

// with runs f with the participant of a request of somebody who knows the room's secret.
func (p *Plugin) with(body kit.Args, f func(r *room, user *participant) *schema.Error) *schema.Error {
	return p.rooms.Manage(body, func(r *room) *schema.Error {
		user, err := r.user(body)
		if err != nil {
			return err
		}
		return f(r, user)
	})
}

// success writes the usual answer; in says that it names the room.
func (r *room) success(w *json.Writer, in bool) {
	if in {
		r.begin(w, "success")
		return
	}
	w.Str("audiobridge", "success")
}

// mute keeps somebody silent, or lets him speak again.
func (p *Plugin) mute(on bool) func(*kit.Request, *json.Writer) *schema.Error {
	return func(q *kit.Request, w *json.Writer) *schema.Error {
		return p.with(q.Body, func(r *room, user *participant) *schema.Error {
			changed := user.muted != on
			r.success(w, changed)
			if !changed {
				return nil
			}
			user.muted = on
			user.follow()
			user.changed(nil)
			user.notify(name(on, "mute", "unmute"), nothing)
			return nil
		})
	}
}

func name(on bool, yes, no string) string {
	if on {
		return yes
	}
	return no
}

// muteRoom keeps everybody silent who does not know the secret, or lets them speak again.
func (p *Plugin) muteRoom(on bool) func(*kit.Request, *json.Writer) *schema.Error {
	return func(q *kit.Request, w *json.Writer) *schema.Error {
		return p.rooms.Manage(q.Body, func(r *room) *schema.Error {
			changed := r.muted != on
			r.success(w, changed)
			if !changed {
				return nil
			}
			r.muted = on
			if r.conf != nil {
				r.conf.SetMuted(on)
			}
			r.tell(r.event("event", func(w *json.Writer) { w.Bool("muted", on) }), nil)
			p.Events.Notify(q.Host, func(w *json.Writer) {
				w.Str("event", name(on, "mute_room", "unmute_room"))
				p.ids.Write(w, "room", r.id)
			})
			return nil
		})
	}
}

// kick sends somebody away.
func (p *Plugin) kick(q *kit.Request, w *json.Writer) *schema.Error {
	return p.with(q.Body, func(r *room, user *participant) *schema.Error {
		r.tellAll(r.event("event", func(w *json.Writer) { p.ids.Write(w, "kicked", user.id) }))
		user.notify("kicked", nothing)
		user.sendAway(false)
		r.success(w, false)
		return nil
	})
}

// kickAll sends everybody away.
func (p *Plugin) kickAll(q *kit.Request, w *json.Writer) *schema.Error {
	return p.rooms.Manage(q.Body, func(r *room) *schema.Error {
		for _, user := range r.members {
			user.tell("", r.event("event", func(w *json.Writer) { p.ids.Write(w, "kicked_all", user.id) }))
			user.notify("kicked_all", nothing)
			user.sendAway(false)
		}
		r.success(w, false)
		return nil
	})
}

// withOwn is with for a request that everybody may make about himself.
func (h *handle) withOwn(body kit.Args, f func(r *room, user *participant) *schema.Error) *schema.Error {
	return h.plugin.rooms.With(body, func(r *room) *schema.Error {
		id, _ := h.plugin.ids.Read(body, "id")
		user := r.participants[id]
		if user == nil || user.h != h {
			if err := codes.Authorize(body, "secret", r.Secret); err != nil {
				return err
			}
		}
		if user == nil {
			return errorf(errNoSuchUser, "No such user %s in room %s", id, r.id)
		}
		return f(r, user)
	})
}

// suspend takes somebody out of the mix, both ways.
func (h *handle) suspend(q *kit.Request, w *json.Writer) (kit.Response, *schema.Error) {
	return kit.Response{}, h.withOwn(q.Body, func(r *room, user *participant) *schema.Error {
		r.success(w, false)
		if q.Body.Is("stop_record") {
			user.recordings.SetOn(false, nil)
		}
		changed := !user.suspended
		if changed {
			user.suspended = true
			user.follow()
			data := r.event("event", func(w *json.Writer) { h.plugin.ids.Write(w, "suspended", user.id) })
			r.tell(data, user)
			user.tell("", data)
			user.notify("suspended", nothing)
		}
		user.paused = user.paused || q.Body.Is("pause_events")
		return nil
	})
}

// resume lets a participant in again, and sends it the events it has missed.
func (h *handle) resume(q *kit.Request, w *json.Writer) (kit.Response, *schema.Error) {
	return kit.Response{}, h.withOwn(q.Body, func(r *room, user *participant) *schema.Error {
		r.success(w, false)
		user.recordings.Read(q.Body, user.startRecording)
		if !user.suspended {
			return nil
		}
		recap := user.paused
		user.suspended, user.paused = false, false
		user.follow()
		who := func(w *json.Writer) { h.plugin.ids.Write(w, "resumed", user.id) }
		except := (*participant)(nil)
		if recap {
			except = user
			user.tell("", r.event("event", func(w *json.Writer) {
				who(w)
				r.writeOthers(w, user)
			}))
		}
		r.tell(r.event("event", who), except)
		user.notify("resumed", nothing)
		return nil
	})
}

// listParticipants lists who is in a room.
func (p *Plugin) listParticipants(q *kit.Request, w *json.Writer) *schema.Error {
	return p.rooms.With(q.Body, func(r *room) *schema.Error {
		r.begin(w, "participants")
		r.writeOthers(w, nil)
		return nil
	})
}

// denoising are the fields that need RNNoise, which is not supported.
func denoising(q *kit.Request, _ *json.Writer) *schema.Error {
	return errorf(errInvalidRequest, "RNNoise unavailable, unsupported request '%s'", q.Body.Str("request"))
}
