package sip

import "bifrons/api/plugin/sip/ua"

// listener receives the events of an account, and has the handle's executor follow it.
type listener struct{ h *handle }

// run has something done as long as the account is the handle's.
func (l *listener) run(f func(h *handle)) {
	l.h.Host.Run(func() {
		if l.h.account != nil {
			f(l.h)
		}
	})
}

// of has something done as long as a call is the handle's.
func (l *listener) of(c *ua.Call, f func(h *handle)) {
	l.h.Host.Run(func() {
		if l.h.is(c) {
			f(l.h)
		}
	})
}

func (l *listener) Registered(e ua.Registered) { l.run(func(h *handle) { h.registered(e) }) }

func (l *listener) RegistrationFailed(e ua.Failure) { l.run(func(h *handle) { h.refused(e) }) }

func (l *listener) Unregistered(e ua.Failure) { l.run(func(h *handle) { h.unregistered(e) }) }

func (l *listener) Detached() { l.run(func(h *handle) { h.Host.End() }) }

func (l *listener) Incoming(c *ua.Call, v ua.Invite) { l.run(func(h *handle) { h.incoming(c, v) }) }

func (l *listener) Missed(v ua.Invite) { l.run(func(h *handle) { h.missed(v) }) }

func (l *listener) Provisional(c *ua.Call, a ua.Answer) {
	l.of(c, func(h *handle) { h.provisional(a) })
}

func (l *listener) Answered(c *ua.Call, a ua.Answer) { l.of(c, func(h *handle) { h.accepted(a) }) }

func (l *listener) Reinvited(c *ua.Call, v ua.Invite) { l.of(c, func(h *handle) { h.reinvited(v) }) }

func (l *listener) ReinviteCanceled(c *ua.Call) { l.of(c, (*handle).reinviteCanceled) }

func (l *listener) ReinviteDisplaced(c *ua.Call) { l.of(c, (*handle).reinviteDisplaced) }

func (l *listener) ReinviteFailed(c *ua.Call, _ ua.Failure) {
	l.of(c, (*handle).reinviteFailed)
}

func (l *listener) Ended(c *ua.Call, e ua.End) { l.of(c, func(h *handle) { h.ended(e) }) }

func (l *listener) Transfer(_ *ua.Call, t *ua.Transfer, x ua.Referral) {
	l.run(func(h *handle) { h.referred(t, x) })
}

func (l *listener) Info(c *ua.Call, x ua.Content) {
	l.of(c, func(h *handle) {
		if x.WantsPicture() {
			h.leg.RequestKeyframes(true, false)
		}
		h.got("info", x)
	})
}

func (l *listener) Message(_ *ua.Call, x ua.Content) {
	l.run(func(h *handle) { h.got("message", x) })
}

func (l *listener) MessageResult(x ua.Result) { l.run(func(h *handle) { h.delivered(x) }) }

func (l *listener) Notify(x ua.Notification) { l.run(func(h *handle) { h.notified(x) }) }

func (l *listener) Subscribed(x ua.Subscribed) { l.run(func(h *handle) { h.subscribed(x) }) }

func (l *listener) Trace(out bool, message string) { l.h.trace(out, message) }
