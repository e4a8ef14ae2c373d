package ua

import (
	"slices"
	"strconv"
	"strings"
	"time"
)

const maxSubscriptions = 64

// subKey finds a subscription: the whole name of the event, and whose.
type subKey struct{ event, to string }

// subscription is a SUBSCRIBE of ours (RFC 6665).
type subscription struct {
	a       *Account
	key     subKey
	cfg     SubscribeConfig
	d       *dialog
	known   bool // has been accepted
	ending  bool
	refresh *timer
	round   int
}

// SubscribeConfig is a subscription to be made or renewed.
type SubscribeConfig struct {
	Event   string
	To      string // URI; "" = our identity
	Accept  string
	TTL     time.Duration // 0 = an hour
	CallID  string        // "" = random
	Headers Headers
	Type    string // of Body
	Body    string
}

// Subscribe subscribes to an event, or renews the subscription. It is refreshed before it runs out. Handler.Subscribed
// follows. The result is the Call-ID.
func (a *Account) Subscribe(cfg SubscribeConfig) (callID string, err error) {
	err = a.e.try("a subscription", func() error {
		if cfg.Headers, err = extra(cfg.Headers); err != nil {
			return err
		}
		if cfg.To == "" {
			cfg.To = a.own().cfg.Identity
		}
		if cfg.TTL <= 0 {
			cfg.TTL = time.Hour
		}
		_, err := parseURI(cfg.To)
		switch {
		case err != nil, cfg.CallID != "" && !isCallID(cfg.CallID):
			return ErrAddress
		case !a.ready():
			return ErrState
		case a.pending >= maxPending:
			return ErrTooMany
		case !isToken(cfg.Event) || strings.ContainsAny(cfg.Accept+cfg.Type, "\r\n"):
			return ErrHeaders
		}
		key := subKey{strings.ToLower(cfg.Event), cfg.To}
		s := a.subs[key]
		if s != nil && (s.ending || cfg.CallID != "" && cfg.CallID != s.d.callID) {
			s.drop()
			s = nil
		}
		if s == nil {
			if len(a.subs) >= maxSubscriptions {
				return ErrTooMany
			}
			if cfg.CallID == "" {
				cfg.CallID = random(23)
			}
			tag := random(16)
			target := withoutHeaders(cfg.To)
			s = &subscription{a: a, key: key, d: &dialog{a: a, callID: cfg.CallID, local: tag, us: a.from(tag), them: "<" + target + ">",
				target: target, proto: a.own().cfg.Transport}}
			a.subs[key] = s
			a.e.dialogs[s.dialogKey()] = s
		}
		s.cfg = cfg
		callID = s.d.callID
		s.send(cfg.TTL, false)
		return nil
	})
	return callID, err
}

// Unsubscribe ends a subscription; to is as for Subscribe.
func (a *Account) Unsubscribe(event, to string) error {
	return a.e.try("a subscription", func() error {
		if to == "" {
			to = a.own().cfg.Identity
		}
		s := a.subs[subKey{strings.ToLower(event), to}]
		if s == nil || s.ending {
			return ErrNotFound
		}
		s.ending = true
		s.send(0, false)
		return nil
	})
}

func (s *subscription) dialogKey() dialogKey { return dialogKey{s.d.callID, s.d.local} }

// send sends SUBSCRIBE.
func (s *subscription) send(ttl time.Duration, refresh bool) {
	s.refresh.stop()
	s.round++
	round := s.round
	m, way := s.d.request("SUBSCRIBE")
	if s.d.remote == "" {
		way = s.a.outside(s.d.target)
	}
	m.contact = s.a.contact
	m.add("Event", s.cfg.Event)
	m.add("Expires", itoa(int(ttl/time.Second)))
	if s.cfg.Accept != "" {
		m.add("Accept", s.cfg.Accept)
	}
	m.headers = append(m.headers, s.cfg.Headers...)
	m.content(s.cfg.Type, s.cfg.Body)
	s.a.ask(m, way, s.d.next, func(m *message) {
		if m.code >= 200 && s.round == round && s.a.subs[s.key] == s {
			s.answered(m, ttl, refresh)
		}
	})
}

// answered takes the final response.
func (s *subscription) answered(m *message, ttl time.Duration, refresh bool) {
	ev := Subscribed{CallID: s.d.callID, Event: s.cfg.Event, OK: m.code < 300, Refresh: refresh, Failure: failure(m)}
	if m.code >= 300 {
		least, err := strconv.Atoi(strings.TrimSpace(m.headers.Get("Min-Expires")))
		if d := time.Duration(least) * time.Second; m.code == 423 && err == nil && d > ttl && ttl > 0 && least < 1<<31 {
			s.send(d, refresh)
			return
		}
		s.drop()
		if !s.ending {
			s.a.emit(func(h Handler) { h.Subscribed(ev) })
		}
		return
	}
	if s.d.remote == "" {
		s.d.learn(m)
	} else {
		s.d.aim(m)
	}
	if s.ending { // the last NOTIFY may still come
		s.refresh = s.a.e.after(s.a.e.cfg.T1x64, s.drop)
		return
	}
	seconds := int(ttl / time.Second)
	if n, err := strconv.Atoi(strings.TrimSpace(m.headers.Get("Expires"))); err == nil && n >= 0 {
		seconds = min(n, 1<<30)
	}
	ev.Expires = time.Duration(seconds) * time.Second
	s.known = true
	s.renew(ev.Expires)
	s.a.emit(func(h Handler) { h.Subscribed(ev) })
}

// renew refreshes the subscription before it runs out.
func (s *subscription) renew(in time.Duration) {
	s.refresh.stop()
	s.refresh = s.a.e.after(max(in*4/5, time.Second), func() { s.send(s.cfg.TTL, true) })
}

func (s *subscription) drop() {
	s.refresh.stop()
	s.round++
	if s.a.subs[s.key] == s {
		delete(s.a.subs, s.key)
	}
	if s.a.e.dialogs[s.dialogKey()] == dialogOwner(s) {
		delete(s.a.e.dialogs, s.dialogKey())
	}
}

func (s *subscription) account() *Account { return s.a }

func (s *subscription) peer(tag string) bool {
	return tag != "" && (s.d.remote == "" || s.d.remote == tag)
}

func (s *subscription) acked(*message) {}

// inside takes a NOTIFY, which may come before the response to SUBSCRIBE.
func (s *subscription) inside(m *message, tx *serverTx) {
	n := notification(m)
	switch {
	case m.method != "NOTIFY":
		notAllowed(tx)
		return
	case !strings.EqualFold(n.Event, s.cfg.Event):
		tx.answer(489)
		return
	case !s.d.fresh(m):
		tx.answer(500)
		return
	}
	if s.d.remote == "" {
		s.d.remote, s.d.them = m.from.params.get("tag"), m.headers.Get("From")
		s.d.routes = m.list("Record-Route")
	}
	s.d.aim(m)
	n.Requested = true
	if len(m.body) > 0 && !s.a.offer(func(h Handler) { h.Notify(n) }) {
		tx.answer(503)
		return
	}
	tx.answer(200)
	if n.SubState == "terminated" {
		s.drop()
		return
	}
	_, rest, _ := strings.Cut(m.headers.Get("Subscription-State"), ";")
	if left, err := strconv.Atoi(parseParams(rest).get("expires")); err == nil && left > 0 && s.known && !s.ending {
		s.renew(time.Duration(min(left, 1<<30)) * time.Second)
	}
}

// notifiedOutside takes a NOTIFY that nobody has subscribed to: registrars send some, strangers may not.
func (a *Account) notifiedOutside(m *message, s *serverTx) {
	if !slices.Contains(a.own().auth.homes, m.sourceAddr.addr.Addr()) {
		s.answer(481)
		return
	}
	n := notification(m)
	if len(m.body) > 0 && !a.offer(func(h Handler) { h.Notify(n) }) {
		s.answer(503)
		return
	}
	s.answer(200)
}

// MessageConfig is a MESSAGE outside calls (RFC 3428).
type MessageConfig struct {
	URI     string
	Type    string // "" = text/plain
	Body    string
	Headers Headers
	CallID  string // "" = random
}

// Message sends a MESSAGE; Handler.MessageResult reports the outcome. The result is the Call-ID.
func (a *Account) Message(cfg MessageConfig) (callID string, err error) {
	err = a.e.try("a message", func() error {
		headers, err := extra(cfg.Headers)
		if err != nil {
			return err
		}
		if cfg.CallID == "" {
			cfg.CallID = random(23)
		}
		if cfg.Type == "" {
			cfg.Type = "text/plain"
		}
		_, err = parseURI(cfg.URI)
		switch {
		case err != nil, !isCallID(cfg.CallID):
			return ErrAddress
		case !a.ready():
			return ErrState
		case strings.ContainsAny(cfg.Type, "\r\n"):
			return ErrHeaders
		case a.pending >= maxPending:
			return ErrTooMany
		}
		target := withoutHeaders(cfg.URI)
		seq := uint32(1)
		m := a.request("MESSAGE", target, a.from(random(16)), "<"+target+">", cfg.CallID, seq)
		m.headers = append(m.headers, headers...)
		m.content(cfg.Type, cfg.Body)
		callID = cfg.CallID
		a.ask(m, a.outside(target), func() uint32 { seq++; return seq }, func(m *message) {
			if m.code >= 200 {
				a.delivered(callID, m)
			}
		})
		return nil
	})
	return callID, err
}

// delivered reports the outcome of a MESSAGE.
func (a *Account) delivered(callID string, m *message) {
	if a.closed {
		return
	}
	r := Result{CallID: callID, Failure: failure(m)}
	a.emit(func(h Handler) { h.MessageResult(r) })
}
