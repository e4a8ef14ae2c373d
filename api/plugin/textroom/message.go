package textroom

import (
	"time"

	"bifrons/api/json"
	"bifrons/api/schema"
)

// dateLayout is local time.
const dateLayout = "2006-01-02T15:04:05-0700"

// message says something in a room, to all or to some.
func (p *Plugin) message(q *request) *schema.Error {
	return q.in(func(r *room, m *member) *schema.Error {
		to, whisper, err := q.recipients()
		if err != nil {
			return err
		}
		x := said{from: m, text: q.body.Str("text"), date: now(), whisper: whisper}
		text, err := r.say(x)
		if err != nil {
			return err
		}
		if ack, ok := q.body.Flag("ack"); ok && !ack {
			q.silent = true
		}
		q.w.Str("textroom", "success")
		if whisper {
			q.put(text, r.find(to, q.w))
		} else {
			q.put(text, r.everybody)
		}
		if err := q.answer(); err != nil {
			return err
		}
		if !whisper {
			r.keep(text, x)
		}
		q.deliver(r)
		return nil
	})
}

// recipients are the usernames that a message is for; whisper is false if it is for
// all.
func (q *request) recipients() (to []string, whisper bool, err *schema.Error) {
	one, some := q.body.Has("to"), q.body.Has("tos")
	switch {
	case one && some:
		return nil, false, errorf(errInvalidElement, "Invalid element (to and tos exclude each other)")
	case one:
		return []string{q.body.Str("to")}, true, nil
	}
	to, ok := q.body.Texts("tos")
	if !ok {
		return nil, false, errorf(errInvalidElement, "Invalid element in the tos array (not a string)")
	}
	return to, some, nil
}

// find finds members by their usernames, each once, and writes which there are. mu is
// held.
func (r *room) find(to []string, w *json.Writer) (list []*member) {
	seen := make(map[string]bool, len(to))
	w.Object("sent")
	for _, name := range to {
		if seen[name] || name == "" {
			continue // nobody has no name
		}
		seen[name] = true
		m := r.names[name]
		if m != nil {
			list = append(list, m)
		}
		w.Bool(name, m != nil)
	}
	w.End()
	return list
}

// said is a message or an announcement.
type said struct {
	from    *member // nil for an announcement
	text    string
	date    string
	whisper bool
}

func now() string { return time.Now().Format(dateLayout) }

// say is the event of that; an error if it does not fit into a message.
func (r *room) say(x said) ([]byte, *schema.Error) {
	text := r.saying(x, "")
	if len(text) > maxMessage {
		return nil, errorf(errInvalidElement, "Invalid element (text makes a message of more than %d bytes)", maxMessage)
	}
	return text, nil
}

func (r *room) saying(x said, display string) []byte {
	kind := "announcement"
	if x.from != nil {
		kind = "message"
	}
	return r.event(kind, func(w *json.Writer) {
		if x.from != nil {
			w.Str("from", x.from.username)
		}
		w.Str("date", x.date)
		w.Str("text", x.text)
		w.OptTrue("whisper", x.whisper)
		w.OptStr("display", display)
	})
}

// keep remembers a message to all, and posts it to the back end. mu is held.
func (r *room) keep(text []byte, x said) {
	r.backend.post(r.post.String(), text)
	if r.history.most == 0 {
		return
	}
	if x.from != nil && x.from.display != "" {
		if long := r.saying(x, x.from.display); len(long) <= maxMessage {
			text = long
		}
	}
	if r.history.add(text) {
		r.plugin.warnShort(r)
	}
}

// warnShort logs now and then that a room remembers less than it should as
// others remember so much.
func (p *Plugin) warnShort(r *room) {
	now, last := time.Now(), p.warned.Load()
	if (last == nil || now.Sub(*last) >= storedWarning) && p.warned.CompareAndSwap(last, &now) {
		p.posts.log.Warn("all rooms together hold too much history, some keep less than configured", "room", r.id, "bytes", p.stored.most)
	}
}

// announce says something to all members of a room, from nobody among them.
func (p *Plugin) announce(q *request) *schema.Error {
	return q.manage(func(r *room) *schema.Error {
		x := said{text: q.body.Str("text"), date: now()}
		text, err := r.say(x)
		if err != nil {
			return err
		}
		q.put(text, r.everybody)
		r.keep(text, x)
		q.succeed(r)
		return nil
	})
}
