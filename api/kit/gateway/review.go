package gateway

import (
	"fmt"
	"net/netip"
	"time"

	"bifrons/api/json"
	"bifrons/api/task"
	"bifrons/sdp"
	"bifrons/sfu"
)

// Fault is a medium that flows in one direction only, or in none, although more was agreed on.
type Fault struct {
	Kind   sdp.Kind
	Silent string // who sends nothing: "client" or "far end"
	Reason string // why that may be
}

func (f Fault) String() string {
	return fmt.Sprintf("no %s from the %s: %s", f.Kind, f.Silent, f.Reason)
}

// silence is after how long without packets a side counts as silent. Audio may pause for longer by silence
// suppression, but something comes in that time (RFC 3389, RFC 7587).
const silence = 5 * time.Second

// look is the state of one medium.
type look struct {
	kind  sdp.Kind
	flow  *flow
	shown netip.Addr // our address in descriptions
	early bool       // nobody is late yet
	stats sfu.RTPSessionStats
}

// faults lists the faults of a medium.
func (x *look) faults() (list []Fault) {
	s, f := &x.stats, x.flow
	if x.early {
		return nil
	}
	if f.receive && s.Silence >= silence {
		list = append(list, Fault{x.kind, "far end", x.whyNothingComes()})
	}
	if f.send && f.to.rtp.IsValid() && s.Out.Packets == 0 {
		why := "the client sends none, or its connection is not up"
		if s.Untaken > 0 {
			why = "it sends media that was not agreed on"
		}
		list = append(list, Fault{x.kind, "client", why})
	}
	return list
}

// whyNothingComes says why the far end may seem to send nothing.
func (x *look) whyNothingComes() string {
	s, to := &x.stats, x.flow.to.rtp
	switch {
	case s.NotAuthentic > 0 && x.flow.receiveKey != nil:
		return "its packets cannot be opened: it has other SRTP keys, or sends in the clear"
	case s.PayloadTypes > 0:
		return "its packets have payload types that were not agreed on"
	case s.Elsewhere > 0 && s.In.Packets == 0:
		text := fmt.Sprintf("packets come from %s instead of %s, which its description names", s.ElsewhereAt, to)
		if to.Addr().IsPrivate() && !s.ElsewhereAt.Addr().Unmap().IsPrivate() {
			text += " and which is a private address"
		}
		return text + " (see symmetric_rtp)"
	case s.In.Packets > 0:
		return fmt.Sprintf("nothing for %d s", int(s.Silence.Seconds()))
	case x.shown.IsPrivate() && to.IsValid() && !to.Addr().IsPrivate() && !to.Addr().IsLoopback():
		return fmt.Sprintf("nothing came; our description names %s, which is a private address (see sdp_ip)", x.shown)
	case !to.IsValid():
		return "nothing came, and its description names no address"
	}
	return "nothing came: it sends none, or the way to our ports is blocked"
}

// looks returns the state of all flowing media. It waits for the engine.
func (l *Leg) looks() (list []look) {
	l.mu.Lock()
	var sessions []*sfu.RTPSession
	for kind, f := range l.flows {
		if f == nil || l.peer == nil {
			continue
		}
		shown, _ := netip.ParseAddr(l.plain.Address)
		list = append(list, look{kind: sdp.Kind(kind), flow: f, shown: shown, early: time.Since(l.since) < silence})
		sessions = append(sessions, l.media[kind].session)
	}
	l.mu.Unlock()
	for i, s := range sessions {
		list[i].stats = s.Stats()
	}
	return list
}

// Faults says which side sends nothing, and why that may be. It waits for the engine.
func (l *Leg) Faults() (list []Fault) {
	for _, x := range l.looks() {
		list = append(list, x.faults()...)
	}
	return list
}

// watch logs, after a while, which side sends nothing. mu is held.
func (l *Leg) watch() {
	stop(l.review)
	stop(l.lifeline)
	l.since = time.Now()
	l.review = time.AfterFunc(reviewAfter, l.tell)
	if l.cfg.Timeout > 0 && l.handler.Failed != nil {
		l.waitFor(l.cfg.Timeout)
	}
}

// waitFor has outlive look again later. mu is held.
func (l *Leg) waitFor(d time.Duration) {
	since := l.since
	l.lifeline = time.AfterFunc(d, func() { l.outlive(since) })
}

// outlive ends a call that its far end may have left without a word: it is to send something, and neither RTP nor
// RTCP has come for too long. since is when media was connected.
func (l *Leg) outlive(since time.Time) {
	defer task.Contain(l.cfg.Log(), "the timeout of a call", nil)
	limit, absence, sends := l.cfg.Timeout, time.Since(since), false
	for _, x := range l.looks() {
		if x.flow.receive {
			absence, sends = min(absence, x.stats.Absence), true
		}
	}
	if sends && absence >= limit {
		l.handler.Failed(fmt.Sprintf("nothing came from the far end for %d s", int(absence.Seconds())))
		return
	}
	if !sends { // as on hold
		absence = 0
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.peer != nil && l.since.Equal(since) {
		l.waitFor(max(limit-absence, time.Millisecond))
	}
}

// tell logs the faults of the media, once each.
func (l *Leg) tell() {
	defer task.Contain(l.cfg.Log(), "the review of a call", func() {})
	for _, f := range l.Faults() {
		text := f.String()
		if l.first(text) {
			l.cfg.Log().Warn("one side of a call sends nothing", "session", l.host.SessionID(), "handle", l.host.HandleID(), "fault", text)
		}
	}
}

// first notes that a text is logged, and reports whether that is for the first time.
func (l *Leg) first(text string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.told[text] || l.peer == nil {
		return false
	}
	if l.told == nil {
		l.told = make(map[string]bool)
	}
	l.told[text] = true
	return true
}

// Write writes the state of the media for administrators, and the names of the files that are recorded. It may be
// called from anywhere and waits for the engine.
func (l *Leg) Write(w *json.Writer) {
	l.writeRecordings(w)
	looks := l.looks()
	if len(looks) == 0 {
		return
	}
	json.Objects(w, "media", looks, func(x look) { x.write(w) })
	w.Array("faults")
	for i := range looks {
		for _, f := range looks[i].faults() {
			w.Str("", f.String())
		}
	}
	w.EndArray()
}

func (x *look) write(w *json.Writer) {
	s, f := &x.stats, x.flow
	w.Str("type", x.kind.String())
	w.Str("direction", direction(f))
	if f.to.rtp.IsValid() {
		w.Str("remote", f.to.rtp.String())
	}
	if s.Latched.IsValid() {
		w.Str("latched", s.Latched.String())
	}
	w.Uint("packets_in", s.In.Packets)
	w.Uint("bytes_in", s.In.Bytes)
	w.Uint("packets_out", s.Out.Packets)
	w.Uint("bytes_out", s.Out.Bytes)
	w.Int("lost", s.Lost)
	w.Uint("ssrc_in", uint64(s.InSSRC))
	w.Uint("ssrc_out", uint64(s.OutSSRC))
	w.OptUint("refused", s.Elsewhere+s.NotAuthentic+s.PayloadTypes)
}

func direction(f *flow) string {
	d := sdp.Inactive
	if f.send {
		d |= sdp.SendOnly
	}
	if f.receive {
		d |= sdp.RecvOnly
	}
	return d.String()
}

// Secrecy is the state of SRTP.
type Secrecy struct{ Known, Required, Ours, Theirs bool }

// Secrecy returns the state of SRTP, if there is a description of either side.
func (l *Leg) Secrecy() Secrecy {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := Secrecy{Known: l.described, Required: l.secrecy.Required, Theirs: l.theirs, Ours: l.keptSRTP().Offer}
	if l.offer != nil && l.offer.ours {
		s.Ours = l.offer.srtp.Offer
	}
	return s
}
