package admin

import (
	"context"
	"errors"

	"bifrons/api/janus"
	"bifrons/api/json"
	"bifrons/api/log"
	"bifrons/api/plugin"
	"bifrons/api/schema"
)

// target checks a request to a module, which the field name names.
func (q *query) target(name string) bool {
	return q.check(schema.Field{Name: name, Type: schema.String, Required: true},
		schema.Field{Name: "request", Type: schema.Object})
}

// request is the request to the module, {} if there is none.
func (q *query) request() []byte {
	if !q.Root.Has("request") {
		return []byte("{}")
	}
	w := json.NewWriter(nil)
	w.Value("", q.Root.Get("request"))
	return w.Bytes()
}

func (q *query) respond(response []byte) {
	q.ok(func(w *json.Writer) { w.Raw("response", response) })
}

func (a *Admin) messagePlugin(q *query) {
	if !q.target("plugin") {
		return
	}
	p := a.core.Plugin(q.Root.Str("plugin"))
	if p == nil {
		q.fail(janus.ErrPluginNotFound, "Invalid plugin")
		return
	}
	doc, bad := json.Parse(q.request())
	if bad != nil {
		q.unknown(bad.Error())
		return
	}
	defer doc.Release()
	response, err := p.Admin(doc.Root())
	switch {
	case errors.Is(err, plugin.ErrNoAdmin):
		q.unknown("Plugin doesn't support Admin API messages")
	case err != nil:
		q.unknown(err.Error())
	default:
		q.respond(response)
	}
}

func (a *Admin) queryTransport(q *query) {
	if !q.target("transport") {
		return
	}
	for _, t := range a.core.Transports() {
		if t.Info().Package == q.Root.Str("transport") {
			q.respond(t.Query(q.request()))
			return
		}
	}
	q.fail(janus.ErrPluginNotFound, "Invalid transport")
}

// querier is an event handler or logger that answers questions. request and answer are
// JSON objects, the request lent for the call.
type querier interface {
	Query(request []byte) []byte
}

func (a *Admin) queryEventHandler(q *query) {
	if !q.target("handler") {
		return
	}
	for _, s := range a.core.Sinks() {
		if s.Info().Package != q.Root.Str("handler") {
			continue
		}
		if asked, ok := s.(querier); ok {
			q.respond(asked.Query(q.request()))
		} else {
			q.unknown("Event handler doesn't support queries")
		}
		return
	}
	q.fail(janus.ErrPluginNotFound, "Invalid event handler")
}

func (a *Admin) queryLogger(q *query) {
	if !q.target("logger") {
		return
	}
	for _, l := range a.core.Settings().Loggers {
		if l.Info().Package == q.Root.Str("logger") {
			if asked, ok := l.(querier); ok {
				q.respond(asked.Query(q.request()))
			} else {
				q.unknown("Logger doesn't support queries")
			}
			return
		}
	}
	q.fail(janus.ErrPluginNotFound, "Invalid logger")
}

func (a *Admin) customEvent(q *query) {
	if !q.check(schema.Field{Name: "schema", Type: schema.String, Required: true},
		schema.Field{Name: "data", Type: schema.Object, Required: true}) {
		return
	}
	if a.core.Notifying() {
		w := json.NewWriter(nil)
		w.Object("")
		w.Str("schema", q.Root.Str("schema"))
		w.Value("data", q.Root.Get("data"))
		w.End()
		a.core.NotifyRaw(janus.Notification{Type: janus.NotifyExternal, Event: w.Bytes()})
	}
	q.ok(nil)
}

func (a *Admin) customLogLine(q *query) {
	if !q.check(schema.Field{Name: "line", Type: schema.String, Required: true},
		schema.Field{Name: "level", Type: schema.Uint}) {
		return
	}
	level := int64(log.Info)
	if n := q.Root.Num("level"); q.Root.Has("level") && n > log.None && n <= log.Debug {
		level = n
	}
	a.cfg.Logger.Log(context.Background(), log.Slog(int(level)), q.Root.Str("line"))
	q.ok(nil)
}
