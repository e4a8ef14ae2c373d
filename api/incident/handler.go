package incident

import (
	"context"
	"fmt"
	"log/slog"
	"strconv"
	"strings"

	"bifrons/sfu"
)

// Handler makes a handler of a log that remembers warnings and errors in l, as well as
// ends of connections that nobody asked for, and passes everything on to next.
func Handler(next slog.Handler, l *List) slog.Handler { return handler{next: next, list: l} }

type handler struct {
	next  slog.Handler
	list  *List
	attrs []slog.Attr // of all records; those in groups are left out
	group bool
}

// Enabled reports that records are wanted which may tell of an incident.
func (h handler) Enabled(ctx context.Context, level slog.Level) bool {
	return level >= slog.LevelInfo || h.next.Enabled(ctx, level)
}

// Handle takes one record.
func (h handler) Handle(ctx context.Context, r slog.Record) error {
	if i, is := h.read(&r); is {
		h.list.Add(i)
	}
	if !h.next.Enabled(ctx, r.Level) {
		return nil
	}
	return h.next.Handle(ctx, r)
}

// WithAttrs adds attributes to all records.
func (h handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	if !h.group {
		h.attrs = append(h.attrs[:len(h.attrs):len(h.attrs)], attrs...)
	}
	h.next = h.next.WithAttrs(attrs)
	return h
}

// WithGroup puts further attributes into a group.
func (h handler) WithGroup(name string) slog.Handler {
	h.group = true
	h.next = h.next.WithGroup(name)
	return h
}

// read makes an incident of a record, if it is one.
func (h handler) read(r *slog.Record) (i Incident, is bool) {
	i = Incident{Last: r.Time, Severe: r.Level >= slog.LevelError, Text: sentence(r.Message), Remedy: remedyOf(r.Message)}
	is = r.Level >= slog.LevelWarn
	var detail strings.Builder
	add := func(a slog.Attr) bool {
		switch v := a.Value; a.Key {
		case "session":
			i.Session = number(v)
		case "handle":
			i.Handle = number(v)
		case "peer": // its label
			if session, handle, ok := strings.Cut(v.String(), "/"); ok {
				i.Session, _ = strconv.ParseUint(session, 10, 64)
				i.Handle, _ = strconv.ParseUint(handle, 10, 64)
			}
		case "remedy":
			i.Remedy = v.String()
		case "stack":
		case "cause":
			cause, ok := v.Any().(sfu.Cause)
			if !ok {
				break
			}
			// A client ends its connection by an alert.
			is = is || cause != sfu.CauseNone && cause != sfu.CauseClosed && cause != sfu.CauseAlert
			if text := causes[cause]; text.text != "" {
				i.Text, i.Remedy = text.text, text.remedy
			}
		default:
			if detail.Len() < maxDetail {
				fmt.Fprintf(&detail, "%s=%v ", a.Key, v)
			}
		}
		return true
	}
	for _, a := range h.attrs {
		add(a)
	}
	if !h.group {
		r.Attrs(add)
	}
	i.Detail = strings.TrimSuffix(detail.String(), " ")
	return i, is
}

func number(v slog.Value) uint64 {
	switch n := v.Any().(type) {
	case uint64:
		return n
	case int64:
		return uint64(n)
	}
	return 0
}

// sentence begins with a capital letter.
func sentence(s string) string {
	if s == "" {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}
