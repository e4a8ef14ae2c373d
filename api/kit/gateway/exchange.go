package gateway

import (
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"

	"bifrons/api/kit"
	"bifrons/api/schema"
	"bifrons/sdp"
	"bifrons/sfu"
)

// offer is an offer of one side that the other has not answered.
type offer struct {
	ours   bool
	client bool             // it is of the client
	plain  *sdp.Description // as the far end has it
	at     sections         // with media
	keys   [numKinds]*key   // of who offers, nil = no SRTP
	to     targets          // if the offer is the far end's
	srtp   SRTP
	hold   sdp.Direction // the rest of our directions
	wants  [numKinds]want
}

// want is the client's wish for a medium.
type want struct {
	direction sdp.Direction // without a hold
	codecs    []sdp.Codec   // that it knows
}

// held is a direction under a hold.
func held(d, hold sdp.Direction) sdp.Direction {
	switch {
	case hold == sdp.SendRecv:
		return d
	case d == sdp.SendRecv:
		return hold
	}
	return sdp.Inactive
}

// draft is a description for the far end with what it needs, before it is taken over.
type draft struct {
	*sdp.Description
	at    sections
	media [numKinds]*medium // those of the leg and fresh ones
	fresh newMedia
}

// draft begins a description with as many sections as another one has. Media that has no port yet gets one. It has to be
// taken over by the leg, or closed.
func (l *Leg) draft(t sdp.Type, like *sdp.Description, at sections) (d draft, err *schema.Error) {
	if d.fresh, err = l.open(at); err != nil {
		return d, err
	}
	d.Description = &sdp.Description{Type: t, Sections: make([]sdp.Section, len(like.Sections))}
	d.at, d.media = at, l.media
	for kind, m := range d.fresh {
		if m != nil {
			d.media[kind] = m
		}
	}
	return d, nil
}

// secure puts a key into a section, and returns it.
func (d *draft) secure(s *sdp.Section, tag int, suite sfu.SRTPProfile) *key {
	k := makeKey(tag, suite, d.media[s.Kind].key)
	s.Attributes = append(s.Attributes, k.attribute())
	return k
}

// sign puts in what all our descriptions have: a name, numbers, the address and the ports. far is where the far end takes
// media, as far as that is known.
func (l *Leg) sign(d *draft, browser *sdp.Description, far targets) {
	var known netip.AddrPort
	for _, to := range far {
		if to.rtp.IsValid() && !known.IsValid() {
			known = to.rtp
		}
	}
	shown := l.cfg.shown(known).String()
	d.Name, d.Address, d.Attributes = browser.Name, shown, withoutKeys(browser.Attributes, dropped)
	d.Origin = sdp.Origin{SessionID: l.id, Version: l.version + 1, Address: shown}
	if l.id == 0 {
		d.Origin.SessionID = uint64(rand.Uint32()) + 1
	}
	for i := range d.Sections {
		d.Sections[i].Address = shown
	}
	for kind, i := range d.at {
		if i >= 0 {
			d.Sections[i].Port = int(d.media[kind].session.Port())
		}
	}
}

// keep takes a description over. mu is held.
func (l *Leg) keep(d *draft) {
	l.media, l.id, l.version = d.media, d.Origin.SessionID, d.Origin.Version
}

// Offer makes the plain offer from one of the client's. Its SRTP setting holds for all media; a later offer that says
// nothing continues with the agreed state.
func (l *Leg) Offer(browser *sdp.Description, s SRTP) (string, *schema.Error) {
	if !s.Offer && l.running {
		s = l.keptSRTP()
	}
	d, err := l.draft(sdp.TypeOffer, browser, firsts(browser))
	if err != nil {
		return "", err
	}
	o := &offer{ours: true, client: true, plain: d.Description, at: d.at, srtp: s, hold: l.hold}
	for i := range browser.Sections {
		b, proto := &browser.Sections[i], l.offeredProto(i, s)
		if !d.at.has(b, i) {
			d.Sections[i] = refused(b, proto)
			continue
		}
		d.Sections[i] = plainSection(b)
		o.wants[b.Kind] = want{b.Direction, d.Sections[i].Codecs}
		d.Sections[i].Proto, d.Sections[i].Direction = proto, held(b.Direction, l.hold)
		if s.Offer {
			o.keys[b.Kind] = d.secure(&d.Sections[i], 1, s.Suite)
		}
	}
	l.sign(&d, browser, l.far())
	l.mu.Lock()
	defer l.mu.Unlock()
	l.keep(&d)
	l.offer, l.secrecy, l.described = o, s, true
	if !l.running {
		l.theirs = false
	}
	return d.String(), nil
}

// offeredProto is the protocol of a section of our offer: the same as before, if possible.
func (l *Leg) offeredProto(i int, s SRTP) string {
	if !l.running || i >= len(l.plain.Sections) {
		return secured(protoPlain, s.Required)
	}
	before := l.plain.Sections[i].Proto
	return secured(before, s.Required || s.Offer && isSecure(before))
}

// keptSRTP is the SRTP that is in use.
func (l *Leg) keptSRTP() SRTP {
	for _, f := range l.flows {
		if f != nil && f.sendKey != nil {
			return SRTP{Offer: true, Required: l.secrecy.Required, Suite: f.sendKey.Profile}
		}
	}
	return SRTP{}
}

// far is where the far end takes media, as agreed.
func (l *Leg) far() (to targets) {
	for kind, f := range l.flows {
		if f != nil {
			to[kind] = f.to
		}
	}
	return to
}

// Waiting reports whether the far end's offer waits for an answer, and whether it has SRTP that can be used.
func (l *Leg) Waiting() (waits, secure bool) {
	if l.offer == nil || l.offer.ours {
		return false, false
	}
	for _, k := range l.offer.keys {
		secure = secure || k != nil
	}
	return true, secure
}

// Answer makes the plain answer of the client's answer to the far end's offer. Media that has SRTP in the offer has it in
// the answer. Connect applies the agreement.
func (l *Leg) Answer(browser *sdp.Description, s SRTP) (string, *schema.Error) {
	o := l.offer
	if o == nil || o.ours {
		return "", kit.Errorf(l.cfg.State, "Wrong state (no offer to answer)")
	}
	var wants [numKinds]want
	return l.answer(o, firsts(o.plain, browser), browser, s, func(i int, theirs *sdp.Section) sdp.Section {
		p := plainSection(&browser.Sections[i])
		if l.cfg.Shorten {
			p.Codecs = shortened(p.Codecs)
		}
		wants[theirs.Kind] = want{p.Direction, agreed(&p, theirs)}
		p.Direction = held(p.Direction, l.hold)
		return p
	}, &wants)
}

// answer makes the answer to an offer of the far end's. ours makes a section of it, like is a description with our
// name and attributes, and wants is what the client wants then.
func (l *Leg) answer(o *offer, at sections, like *sdp.Description, s SRTP, ours func(i int, theirs *sdp.Section) sdp.Section, wants *[numKinds]want) (string, *schema.Error) {
	for kind, i := range at {
		if i >= 0 && s.Required && o.keys[kind] == nil {
			return "", l.tooStrict("")
		}
	}
	d, err := l.draft(sdp.TypeAnswer, o.plain, at)
	if err != nil {
		return "", err
	}
	var flows [numKinds]*flow
	for i := range o.plain.Sections {
		theirs, p := &o.plain.Sections[i], &d.Sections[i]
		if !at.has(theirs, i) {
			*p = refused(theirs, theirs.Proto)
			continue
		}
		*p = ours(i, theirs)
		p.Proto = secured(theirs.Proto, s.Required || isSecure(theirs.Proto))
		var own *key
		if k := o.keys[theirs.Kind]; k != nil {
			own = d.secure(p, k.tag, k.Profile)
		}
		f := newFlow(i, p, theirs, agreed(p, theirs))
		f.to, f.sendKey, f.receiveKey = o.to[theirs.Kind], own, o.keys[theirs.Kind]
		flows[theirs.Kind] = f
	}
	l.sign(&d, like, o.to)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.keep(&d)
	l.secrecy.Required = s.Required || l.secrecy.Required
	l.wants = *wants
	l.agree(d.Description, flows)
	return d.String(), nil
}

// newFlow is the agreement of two descriptions of a section.
func newFlow(section int, ours, theirs *sdp.Section, codecs []sdp.Codec) *flow {
	d := ours.Direction.And(theirs.Direction.Reverse())
	return &flow{
		section: section, codecs: codecs, ext: agreedExtensions(ours, theirs), send: d.Sends(), receive: d.Receives(),
		pli: takesPLI(theirs),
	}
}

// agree adopts what was agreed on. mu is held.
func (l *Leg) agree(plain *sdp.Description, flows [numKinds]*flow) {
	l.plain, l.flows, l.offer, l.running, l.described = plain, flows, nil, true, true
	for kind, f := range flows {
		if f != nil {
			l.media[kind].key = f.sendKey
		}
	}
}

// Remote is the far end's description.
type Remote struct {
	// SDP is for the client: it is as it came, but media that cannot be had is rejected.
	SDP      *sdp.Description
	SRTP     bool // there is some that can be used
	Required bool // there has to be
}

// TakeOffer takes in an offer of the far end's, which Answer answers. It looks names up.
func (l *Leg) TakeOffer(text string, s SRTP) (*Remote, *schema.Error) {
	d, err := l.read(text, sdp.TypeOffer)
	if err != nil {
		return nil, err
	}
	o := &offer{plain: d, at: firsts(d)}
	if o.to, err = l.addresses(d, o.at); err != nil {
		return nil, err
	}
	r := &Remote{SDP: d, Required: s.Required}
	for kind, i := range o.at {
		if i < 0 {
			continue
		}
		if o.keys[kind], err = l.demand(r, s.Required, &d.Sections[i], offeredKey); err != nil {
			return nil, err
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.running {
		l.forgetKeys()
	}
	l.offer, l.theirs, l.secrecy = o, r.SRTP, SRTP{Offer: r.SRTP, Required: r.Required}
	l.described = true
	return r, nil
}

// TakeAnswer takes in the far end's answer to our offer. It looks names up. The agreement is for
// Connect.
func (l *Leg) TakeAnswer(text string, s SRTP) (*Remote, *schema.Error) {
	return l.takeAnswer(l.offer, text, s, false)
}

// TakeOtherAnswer takes in another answer to the offer that was answered last: of somebody else to whom it went, too.
// The client knows the first one only, so what that leaves it has to have something in common with this one.
func (l *Leg) TakeOtherAnswer(text string, s SRTP) (*Remote, *schema.Error) {
	return l.takeAnswer(l.answered, text, s, true)
}

func (l *Leg) takeAnswer(o *offer, text string, s SRTP, other bool) (*Remote, *schema.Error) {
	d, err := l.read(text, sdp.TypeAnswer)
	if err != nil {
		return nil, err
	}
	if o == nil || !o.ours || other && l.offer != nil {
		return nil, kit.Errorf(l.cfg.State, "Wrong state (no offer to answer)")
	}
	at := firsts(d, o.plain)
	if other {
		at = l.common(at, d)
	}
	to, err := l.addresses(d, at)
	if err != nil {
		return nil, err
	}
	r := &Remote{SDP: d, Required: s.Required || o.srtp.Required}
	var flows [numKinds]*flow
	for kind, i := range at {
		if i < 0 {
			continue
		}
		ours, theirs := &o.plain.Sections[i], &d.Sections[i]
		receive, err := l.demand(r, s.Required || o.srtp.Required, theirs, answeredKey(o.keys[kind]))
		if err != nil {
			return nil, err
		}
		f := newFlow(i, ours, theirs, agreed(theirs, ours))
		if f.to = to[kind]; receive != nil {
			f.sendKey, f.receiveKey = o.keys[kind], receive
		}
		flows[kind] = f
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.theirs, l.secrecy.Required = r.SRTP, r.Required
	if !other {
		l.hold, l.wants = o.hold, o.wants
	}
	for kind, f := range flows {
		if f != nil && o.client {
			l.wants[kind].codecs = agreed(&sdp.Section{Codecs: l.wants[kind].codecs}, &sdp.Section{Codecs: f.codecs})
		}
	}
	l.agree(o.plain, flows)
	l.answered = o
	return r, nil
}

// common are the sections of another answer with a codec that the first one has left the client.
func (l *Leg) common(at sections, d *sdp.Description) sections {
	for kind, i := range at {
		if i < 0 {
			continue
		}
		known := func(c sdp.Codec) bool {
			return !strings.EqualFold(c.Name, "telephone-event") && !strings.EqualFold(c.Name, "CN") &&
				len(agreed(&sdp.Section{Codecs: []sdp.Codec{c}}, &sdp.Section{Codecs: l.wants[kind].codecs})) > 0
		}
		if l.flows[kind] == nil || !slices.ContainsFunc(d.Sections[i].Codecs, known) {
			at[kind] = -1
		}
	}
	return at
}

// demand finds the key of a section of the far end's, and notes what that means for SRTP. It is an error if there has
// to be one and is none.
func (l *Leg) demand(r *Remote, required bool, s *sdp.Section, find func(*sdp.Section) (*key, string)) (*key, *schema.Error) {
	required = required || isSecure(s.Proto)
	k, why := find(s)
	if k == nil && required {
		return nil, l.tooStrict(why)
	}
	r.SRTP, r.Required = r.SRTP || k != nil, r.Required || required
	return k, nil
}

func (l *Leg) tooStrict(why string) *schema.Error {
	if why != "" {
		return kit.Errorf(l.cfg.Strict, "SRTP is required, and that of the remote SDP is of no use (%s)", why)
	}
	return kit.Errorf(l.cfg.Strict, "SRTP is required, but the remote SDP has none")
}

// read reads a description of the far end's.
func (l *Leg) read(text string, t sdp.Type) (*sdp.Description, *schema.Error) {
	d, err := sdp.Parse(text)
	if err != nil {
		return nil, kit.Errorf(l.cfg.BadSDP, "Error parsing SDP: %v", err)
	}
	d.Type = t
	restrict(d)
	return d, nil
}

// addresses are where the far end takes media.
func (l *Leg) addresses(d *sdp.Description, at sections) (to targets, err *schema.Error) {
	if at == none {
		return to, kit.Errorf(l.cfg.NoMedia, "Invalid SDP (no audio and no video)")
	}
	for kind, i := range at {
		if i < 0 {
			continue
		}
		if to[kind], err = l.target(&d.Sections[i]); err != nil {
			return to, err
		}
	}
	return to, nil
}
