package frame

import (
	"bytes"

	"bifrons/rtp/codec"
)

func (a *Assembler) startAV1(payload []byte) {
	var d codec.AV1
	if d.Parse(payload) == nil {
		a.pic.start = !d.Z
		a.pic.Key = d.N
	}
}

// addAV1 adds the OBUs of a payload, each with its size (AV1, 5.2), without temporal
// delimiters, which containers do not have.
func (a *Assembler) addAV1(payload []byte) bool {
	c := &a.pic
	var d codec.AV1
	if d.Parse(payload) != nil {
		c.abandon()
		return false
	}
	ok := d.Z == c.more
	if !d.Z {
		c.obu = c.obu[:0]
	}
	skip := d.Z && !c.more
	c.more = false
	element, more := d.Next()
	for more {
		if len(c.obu)+len(element) > MaxFrame {
			c.full = true
			return false
		}
		c.obu = append(c.obu, element...)
		if element, more = d.Next(); !more && d.Y {
			if c.more = !skip; skip {
				c.obu = c.obu[:0]
			}
			break
		}
		if !skip {
			ok = a.addOBU(c.obu) && ok
		}
		skip = false
		c.obu = c.obu[:0]
	}
	return ok
}

// addOBU adds one OBU.
func (a *Assembler) addOBU(b []byte) bool {
	if len(b) == 0 {
		return true
	}
	var o codec.OBU
	if o.Parse(b) != nil || !o.CutToSize() {
		return false
	}
	c := &a.pic
	switch o.Type {
	case codec.OBUTemporalDelimiter, codec.OBUTileList, codec.OBUPadding:
		return true
	case codec.OBUSequenceHeader:
		a.av1Sequence(&o)
	case codec.OBUFrame, codec.OBUFrameHeader:
		if !c.first {
			c.first = true
			c.Key = c.Key || c.hasSets && o.StartsKeyframe()
		}
	}
	if c.full || len(c.data)+len(b)+8 > MaxFrame {
		c.full = true
		return false
	}
	c.data = o.Append(c.data)
	return true
}

// av1Sequence takes format and size from a sequence header.
func (a *Assembler) av1Sequence(o *codec.OBU) {
	var s codec.AV1Sequence
	if !s.Parse(o.Payload) {
		return
	}
	c := &a.pic
	c.hasSets = true
	c.Width, c.Height = s.Width, s.Height
	whole := codec.OBU{Type: codec.OBUSequenceHeader, Payload: o.Payload}
	text := whole.Append(nil)
	if a.config != nil && bytes.Equal(a.config.Sequence, text) {
		return
	}
	a.setConfig(&Config{Sequence: text, AV1: s, Width: s.Width, Height: s.Height})
}

func (a *Assembler) endAV1() {
	if c := &a.pic; !c.Key {
		c.Width, c.Height = 0, 0
	}
}
