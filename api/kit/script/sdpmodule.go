package script

import (
	"errors"
	"slices"
	"strings"

	"bifrons/sdp"
)

// modules are the libraries that scripts of all languages find: session descriptions, as the
// scripts of Janus use them.
var modules = []Module{{Name: "janus-sdp", Functions: []Function{
	{"parse", []Type{Text}, 1, parseSDP},
	{"render", []Type{Any}, 1, renderSDP},
	{"generateOffer", []Type{Any}, 0, generateOffer},
	{"generateAnswer", []Type{Any, Any}, 1, generateAnswer},
	{"findPayloadType", []Type{Any, Text, Optional}, 2, findPayloadType},
	{"findCodec", []Type{Any, Number}, 2, findCodec},
	{"removePayloadType", []Type{Any, Number}, 2, removePayloadType},
	{"removeMLine", []Type{Any, Text}, 2, removeMLine},
}}}

var errNoSDP = errors.New("no session description, as parse makes it")

// description is the one that the first argument has to be.
func (c *Call) description() (*sdp.Description, error) {
	if len(c.args) > 0 {
		if o, ok := c.args[0].(Opaque); ok {
			if d, ok := o.Value.(*sdp.Description); ok {
				return d, nil
			}
		}
	}
	return nil, errNoSDP
}

// options are the options in an argument.
func (c *Call) options(i int) options {
	if i < len(c.args) {
		if m, ok := c.args[i].(map[string]Value); ok {
			return m
		}
	}
	return nil
}

type options map[string]Value

func (o options) text(name string) string {
	s, _ := o[name].(string)
	return s
}

// on is whether a medium is wanted, which is the default.
func (o options) on(name string) bool {
	on, ok := o[name].(bool)
	return on || !ok
}

func parseSDP(c *Call) (Value, error) {
	d, err := sdp.Parse(c.text(0))
	if err != nil {
		return nil, err
	}
	return Opaque{d.Anonymise()}, nil
}

func renderSDP(c *Call) (Value, error) {
	d, err := c.description()
	if err != nil {
		return nil, err
	}
	return d.String(), nil
}

func generateOffer(c *Call) (Value, error) {
	o := c.options(0)
	var list []sdp.OfferSection
	for _, k := range []struct {
		kind               sdp.Kind
		name, codec, other string
	}{{sdp.Audio, "audio", "audioCodec", sdp.Opus}, {sdp.Video, "video", "videoCodec", sdp.VP8}, {sdp.Application, "data", "", ""}} {
		if on, _ := o[k.name].(bool); !on && (o[k.name] != nil || k.kind == sdp.Application || o != nil && o.text(k.codec) == "") {
			continue
		}
		s := sdp.OfferSection{Kind: k.kind, Direction: direction(o.text(k.name + "Dir"))}
		if k.codec != "" {
			if s.Codec = strings.ToLower(o.text(k.codec)); s.Codec == "" {
				s.Codec = k.other
			}
			s.Profile = o.text("vp9Profile") + o.text("h264Profile")
			if n, ok := o[k.name+"Pt"].(float64); ok && n > 0 && n < 128 {
				s.PT = uint8(n)
			}
		}
		list = append(list, s)
	}
	return Opaque{sdp.Offer(sdp.OfferOptions{Sections: list})}, nil
}

func direction(name string) sdp.Direction {
	for _, d := range []sdp.Direction{sdp.SendOnly, sdp.RecvOnly, sdp.Inactive} {
		if d.String() == name {
			return d
		}
	}
	return sdp.SendRecv
}

func generateAnswer(c *Call) (Value, error) {
	offer, err := c.description()
	if err != nil {
		return nil, err
	}
	o := c.options(1)
	return Opaque{sdp.Answer(offer, sdp.AnswerOptions{Choose: func(_ int, s *sdp.Section) (x sdp.SectionChoice) {
		x.Extensions = extensions
		switch s.Kind {
		case sdp.Audio:
			x.Reject, x.Codecs = !o.on("audio"), preferred(o.text("audioCodec"))
		case sdp.Video:
			x.Reject, x.Codecs = !o.on("video"), preferred(o.text("videoCodec"))
			if x.Profile = o.text("vp9Profile"); o.text("videoCodec") != sdp.VP9 {
				x.Profile = o.text("h264Profile")
			}
		case sdp.Application:
			x.Reject = !o.on("data")
		}
		return x
	}})}, nil
}

func preferred(codec string) []string {
	if codec == "" {
		return nil
	}
	return []string{strings.ToLower(codec)}
}

func findPayloadType(c *Call) (Value, error) {
	d, err := c.description()
	if err != nil {
		return nil, err
	}
	for i := range d.Sections {
		if codec, ok := d.Sections[i].FindCodec(strings.ToLower(c.text(1)), c.text(2)); ok {
			return float64(codec.PT), nil
		}
	}
	return float64(-1), nil
}

func findCodec(c *Call) (Value, error) {
	d, err := c.description()
	if err != nil {
		return nil, err
	}
	n := c.number(1)
	for i := range d.Sections {
		if n >= 0 && n < 128 {
			if codec := d.Sections[i].Codec(uint8(n)); codec != nil {
				return codec.ID(), nil
			}
		}
	}
	return nil, nil
}

func removePayloadType(c *Call) (Value, error) {
	d, err := c.description()
	if err != nil {
		return nil, err
	}
	for i := range d.Sections {
		s := &d.Sections[i]
		s.Codecs = slices.DeleteFunc(s.Codecs, func(x sdp.Codec) bool { return int64(x.PT) == c.number(1) })
	}
	return done, nil
}

func removeMLine(c *Call) (Value, error) {
	d, err := c.description()
	if err != nil {
		return nil, err
	}
	name := c.text(1)
	d.Sections = slices.DeleteFunc(d.Sections, func(s sdp.Section) bool {
		return s.Kind.String() == name || s.Kind == sdp.Application && name == "data"
	})
	return done, nil
}
