package mline

import (
	"slices"
	"time"

	"bifrons/api/plugin"
	"bifrons/sdp"
	"bifrons/sfu"
	"bifrons/sfu/media"
)

// LayeringIn is how the client who made an offer layers a section, in which a codec
// was agreed on.
func LayeringIn(offer *plugin.JSEP, section int, codec string) Layering {
	return LayeringOf(
		slices.ContainsFunc(offer.Simulcast, func(x plugin.Simulcast) bool { return x.Index == section }),
		(codec == sdp.VP9 || codec == sdp.AV1) && slices.ContainsFunc(offer.SVC, func(x plugin.SVC) bool { return x.Index == section }),
	)
}

// Accepted reports whether an answer accepts the offered section.
func Accepted(answer *sdp.Description, section int) bool {
	if section >= len(answer.Sections) {
		return false
	}
	s := &answer.Sections[section]
	return !s.Rejected() && (s.Kind == sdp.Application || s.Direction.Receives())
}

// Input is where the media of an m-line comes from; the zero value is nowhere.
type Input struct {
	Origin   sfu.Origin
	Section  int // of the origin
	Layering Layering
}

// Output is the media that the engine was told to forward to an m-line. The zero value is
// nothing, to the section 0.
type Output struct {
	Section int // of the peer that it goes to

	input Input
	held  bool
	share sfu.Weight // as the engine has it
}

// engine is the part of an sfu.Peer that an Output needs.
type engine interface {
	Subscribe(sfu.Subscription)
	Unsubscribe(section int)
	SetPaused(section int, paused bool)
	SetTarget(section int, target media.Layer, fallback time.Duration)
	SetPlayoutDelay(section, least, most int)
	SetShare(section int, w sfu.Weight)
}

// Input is the media that the engine forwards.
func (o *Output) Input() Input { return o.input }

// Held reports whether it is to be held.
func (o *Output) Held() bool { return o.held }

// Sync makes the engine forward an input, or hold it. The layers and
// the delay are for when it begins to. A nil peer is skipped, here and below.
func (o *Output) Sync(peer *sfu.Peer, from Input, held bool, layers *Layers, delay Delay) {
	if peer != nil {
		o.sync(peer, from, held, layers, delay)
	}
}

func (o *Output) sync(e engine, from Input, held bool, layers *Layers, delay Delay) {
	was := o.input
	switch {
	case from.Origin == nil:
		if o.input = (Input{}); was.Origin != nil {
			e.Unsubscribe(o.Section)
		}
	case from.Origin != was.Origin || from.Section != was.Section:
		o.input, o.held = from, held
		e.Subscribe(sfu.Subscription{
			Origin: from.Origin, Track: from.Section, Section: o.Section,
			Paused: held, Target: layers.Target(from.Layering), Fallback: layers.Fallback(),
		})
		e.SetPlayoutDelay(o.Section, delay.Least, delay.Most)
		o.weigh(e, layers)
	default:
		if o.input = from; from.Layering != was.Layering {
			e.SetTarget(o.Section, layers.Target(from.Layering), layers.Fallback())
		}
		o.hold(e, held)
	}
}

// Hold makes the engine hold the media, or resume.
func (o *Output) Hold(peer *sfu.Peer, held bool) {
	if peer != nil && o.input.Origin != nil {
		o.hold(peer, held)
	}
}

func (o *Output) hold(e engine, held bool) {
	if held != o.held {
		e.SetPaused(o.Section, held)
		o.held = held
	}
}

// Forget makes the next Sync start again, as an input that is the same has other media.
func (o *Output) Forget() { o.input = Input{} }

// Retarget sets the engine's layers to forward, if it forwards any.
func (o *Output) Retarget(peer *sfu.Peer, layers *Layers) {
	if peer != nil && o.input.Origin != nil {
		peer.SetTarget(o.Section, layers.Target(o.input.Layering), layers.Fallback())
	}
}

// Weigh sets the m-line's weight in the engine, if it forwards anything.
func (o *Output) Weigh(peer *sfu.Peer, layers *Layers) {
	if peer != nil && o.input.Origin != nil {
		o.weigh(peer, layers)
	}
}

func (o *Output) weigh(e engine, layers *Layers) {
	if layers.Weight != o.share {
		o.share = layers.Weight
		e.SetShare(o.Section, o.share)
	}
}

// SetDelay sets the playout delay in the engine, if it forwards anything.
func (o *Output) SetDelay(peer *sfu.Peer, d Delay) {
	if peer != nil && o.input.Origin != nil {
		peer.SetPlayoutDelay(o.Section, d.Least, d.Most)
	}
}
