package gateway

import (
	"strings"

	"bifrons/api/kit"
	"bifrons/api/schema"
	"bifrons/sdp"
)

// Reoffer makes an offer of the agreed media, of which the client hears nothing: for a far end that asks for an
// offer, and to hold media. A hold leaves sendonly, recvonly or inactive of media that goes both ways, and nothing of
// other media; sendrecv ends it. It is in force when the far end has answered.
func (l *Leg) Reoffer(hold sdp.Direction) (string, *schema.Error) {
	if !l.running {
		return "", kit.Errorf(l.cfg.State, "Wrong state (nothing was agreed on)")
	}
	at := none
	for kind, f := range l.flows {
		if f != nil {
			at[kind] = f.section
		}
	}
	d, err := l.draft(sdp.TypeOffer, l.plain, at)
	if err != nil {
		return "", err
	}
	o := &offer{ours: true, plain: d.Description, at: at, srtp: l.keptSRTP(), hold: hold, wants: l.wants}
	for i := range l.plain.Sections {
		before := &l.plain.Sections[i]
		if !at.has(before, i) {
			d.Sections[i] = refused(before, before.Proto)
			continue
		}
		p, f := &d.Sections[i], l.flows[before.Kind]
		*p = *before
		p.Direction = held(l.wants[before.Kind].direction, hold)
		p.Codecs = nil
		for _, c := range f.codecs {
			if own := before.Codec(c.PT); own != nil {
				p.Codecs = append(p.Codecs, *own)
			}
		}
		p.Attributes = withoutKeys(before.Attributes, []string{"crypto"})
		if f.sendKey != nil {
			o.keys[before.Kind] = d.secure(p, 1, f.sendKey.Profile)
		}
	}
	l.sign(&d, l.plain, l.far())
	l.mu.Lock()
	defer l.mu.Unlock()
	l.keep(&d)
	l.offer = o
	return d.String(), nil
}

// Reanswer answers the far end's offer with the client's last description, without involving the client. Media that
// the client does not have is refused; payload types may be others. Afterwards Connect is to be called.
func (l *Leg) Reanswer() (string, *schema.Error) {
	o := l.offer
	if o == nil || o.ours || !l.running {
		return "", kit.Errorf(l.cfg.State, "Wrong state (no offer to answer)")
	}
	at := none
	for kind, i := range o.at {
		if f := l.flows[kind]; i >= 0 && f != nil && f.section == i && len(l.known(&o.plain.Sections[i])) > 0 {
			at[kind] = i
		}
	}
	if at == none {
		return "", kit.Errorf(l.cfg.NoMedia, "Invalid SDP (no media that the client has)")
	}
	wants := l.wants
	return l.answer(o, at, l.plain, SRTP{}, func(i int, theirs *sdp.Section) sdp.Section {
		p := l.plain.Sections[i]
		p.Attributes = withoutKeys(p.Attributes, []string{"crypto"})
		p.Codecs = l.known(theirs)
		p.Extensions = nil
		for _, e := range l.plain.Sections[i].Extensions {
			if e.ID = theirs.ExtensionID(e.URI); e.ID != 0 {
				p.Extensions = append(p.Extensions, e)
			}
		}
		p.Direction = held(wants[theirs.Kind].direction, l.hold).And(theirs.Direction.Reverse())
		return p
	}, &wants)
}

// known are the codecs of a section of the far end's that the client knows, with their payload types there.
func (l *Leg) known(theirs *sdp.Section) (list []sdp.Codec) {
	for _, c := range theirs.Codecs {
		for _, own := range l.wants[theirs.Kind].codecs {
			if strings.EqualFold(own.Name, c.Name) && own.Clock == c.Clock {
				own.PT = c.PT
				list = append(list, own)
				break
			}
		}
	}
	return list
}

// Forget drops the unanswered offer: the previous agreement holds.
func (l *Leg) Forget() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.offer = nil
}

// Held is the direction that a hold has left of media that goes both ways, sendrecv if there is none.
func (l *Leg) Held() sdp.Direction { return l.hold }
