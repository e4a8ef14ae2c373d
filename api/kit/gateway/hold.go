package gateway

import (
	"bifrons/api/kit"
	"bifrons/api/schema"
	"bifrons/sdp"
)

// What is described here anew to the far end stays the same for the client, whose connection is not negotiated again.

// Hold makes an offer that holds the call: media that goes both ways goes in one direction only from then on, or in
// none, all other media in none. Media is held at once.
func (l *Leg) Hold(d sdp.Direction) (string, *schema.Error) { return l.offerAgain(&d) }

// Resume makes an offer that ends what Hold has begun. Media flows again when the far end has answered.
func (l *Leg) Resume() (string, *schema.Error) { return l.offerAgain(nil) }

// Held tells whether the call is held by us.
func (l *Leg) Held() bool { return l.hold != nil }

func (l *Leg) offerAgain(hold *sdp.Direction) (string, *schema.Error) {
	if !l.running {
		return "", kit.Errorf(l.cfg.State, "Wrong state (nothing was agreed on)")
	}
	before := l.hold
	l.hold = hold
	text, err := l.offerOwn(l.again(nil), SRTP{})
	if err != nil {
		l.hold = before
		return "", err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for kind, f := range l.flows {
		if f != nil && hold != nil {
			d := l.direction(sdp.Kind(kind))
			l.media[kind].session.SetDirection(f.send && d.Sends(), f.receive && d.Receives())
		}
	}
	return text, nil
}

// OfferAgain makes an offer of what is agreed on, for a far end that wants one.
func (l *Leg) OfferAgain() (string, *schema.Error) { return l.offerAgain(l.hold) }

// AnswerAgain answers an offer of the far end's with what was described before.
func (l *Leg) AnswerAgain() (string, *schema.Error) {
	if !l.running || l.offer == nil || l.offer.ours {
		return "", kit.Errorf(l.cfg.State, "Wrong state (no offer to answer)")
	}
	return l.answerOwn(l.again(l.offer.plain), SRTP{})
}

// again is our description of before, in directions that are wanted now, and that answer an offer if there is one.
func (l *Leg) again(offer *sdp.Description) *sdp.Description {
	d := &sdp.Description{Name: l.plain.Name, Attributes: l.plain.Attributes, Sections: make([]sdp.Section, len(l.plain.Sections))}
	copy(d.Sections, l.plain.Sections)
	for i := range d.Sections {
		s := &d.Sections[i]
		if s.Kind >= numKinds {
			continue
		}
		s.Direction = l.direction(s.Kind)
		if offer != nil && i < len(offer.Sections) {
			s.Direction = s.Direction.And(offer.Sections[i].Direction.Reverse())
		}
	}
	return d
}

// direction is that of media as the client has it and holding lets it.
func (l *Leg) direction(kind sdp.Kind) sdp.Direction {
	d := l.own[kind]
	switch {
	case l.hold == nil:
	case d == sdp.SendRecv:
		d = *l.hold
	default:
		d = sdp.Inactive
	}
	return d
}

// clientHas notes the directions in which the client has its media.
func (l *Leg) clientHas(browser *sdp.Description, at sections) {
	for kind, i := range at {
		if i >= 0 {
			l.own[kind] = browser.Sections[i].Direction
		}
	}
}
