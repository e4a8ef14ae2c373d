package frame

import "bifrons/rtp/codec"

// startH26x reports whether a packet begins a picture as far as its NAL units say.
func (a *Assembler) startH26x(payload []byte) {
	kind := codec.KindH264
	if a.codec == H265 {
		kind = codec.KindH265
	}
	var i codec.Info
	if codec.Inspect(codec.Payload{Kind: kind, Data: payload}, nil, &i) == nil {
		a.pic.start = i.FrameStart
	}
	// A packet right behind the one before is a start even so: not every slice begins
	// with the first macroblock, nor every picture with one.
	a.pic.start = a.pic.start || a.pic.Lost == 0 && a.begun
}

// addH264 adds the NAL units of a payload (RFC 6184, 5.6 to 5.8).
func (a *Assembler) addH264(payload []byte) bool {
	c := &a.pic
	switch t := payload[0] & 0x1f; {
	case t == codec.H264STAPA:
		return a.addAggregate(payload[1:])
	case t == codec.H264FUA:
		if len(payload) < 2 {
			return false
		}
		head := payload[0]&0xe0 | payload[1]&0x1f
		return a.addFragment(payload[1], []byte{head}, payload[2:])
	case t >= 1 && t < codec.H264STAPA:
		return a.addUnit(payload)
	}
	c.abandon() // interleaved, which is not negotiated
	return false
}

// addH265 adds the NAL units of a payload (RFC 7798, 4.4), without decoding order
// numbers.
func (a *Assembler) addH265(payload []byte) bool {
	if len(payload) < 3 {
		return false
	}
	switch t := payload[0] >> 1 & 0x3f; t {
	case codec.H265AP:
		return a.addAggregate(payload[2:])
	case codec.H265FU:
		head := []byte{payload[0]&0x81 | payload[2]&0x3f<<1, payload[1]}
		return a.addFragment(payload[2], head, payload[3:])
	case codec.H265PACI:
		a.pic.abandon()
		return false
	}
	return a.addUnit(payload)
}

// addAggregate adds units that stand behind their lengths of two bytes.
func (a *Assembler) addAggregate(b []byte) bool {
	for len(b) > 0 {
		if len(b) < 2 {
			return false
		}
		n := int(b[0])<<8 | int(b[1])
		if b = b[2:]; n > len(b) {
			return false
		}
		if n > 0 && !a.addUnit(b[:n]) {
			return false
		}
		b = b[n:]
	}
	return true
}

// addUnit adds a NAL unit.
func (a *Assembler) addUnit(nal []byte) bool {
	c := &a.pic
	whole := c.unit < 0
	c.abandon()
	n := len(nal)
	if !c.add(byte(n>>24), byte(n>>16), byte(n>>8), byte(n)) || !c.add(nal...) {
		return false
	}
	a.noteUnit(nal)
	return whole
}

// addFragment adds a part of a NAL unit. In its header bit 7 says that it is the first,
// bit 6 that it is the last.
func (a *Assembler) addFragment(fu byte, head, body []byte) bool {
	c := &a.pic
	whole := true
	if fu&0x80 != 0 {
		whole = c.unit < 0
		c.abandon()
		at := len(c.data)
		if !c.add(0, 0, 0, 0) || !c.add(head...) {
			return false
		}
		c.unit = at
	}
	if c.unit < 0 {
		return false // its beginning is missing
	}
	if !c.add(body...) {
		return false
	}
	if fu&0x40 != 0 {
		n := len(c.data) - c.unit - 4
		l := c.data[c.unit : c.unit+4]
		l[0], l[1], l[2], l[3] = byte(n>>24), byte(n>>16), byte(n>>8), byte(n)
		c.unit = -1
		a.noteUnit(c.data[len(c.data)-n:])
	}
	return whole
}

// noteUnit looks at the kind of unit that was added.
func (a *Assembler) noteUnit(nal []byte) {
	c := &a.pic
	if a.codec == H264 {
		switch nal[0] & 0x1f {
		case codec.H264IDR:
			c.Key = true
		case codec.H264SPS, codec.H264PPS:
			c.hasSets = a.sets.take(a.codec, nal) || c.hasSets
		}
		return
	}
	if len(nal) < 2 {
		return
	}
	switch t := nal[0] >> 1 & 0x3f; {
	case t >= codec.H265BLA && t <= codec.H265CRA:
		c.Key = true
	case t >= codec.H265VPS && t <= codec.H265PPS:
		c.hasSets = a.sets.take(a.codec, nal) || c.hasSets
	}
}

// endH26x takes the parameter sets over.
func (a *Assembler) endH26x() {
	c := &a.pic
	a.begun = true
	if c.Key {
		// Where key frames come with their sets, one without may have lost them.
		if !c.hasSets && c.Lost > 0 && (a.inBand || len(a.sets.list) == 0) {
			c.Whole = false
		}
		a.inBand = c.hasSets
		if a.sets.changed {
			a.setConfig(a.sets.config())
			a.sets.changed = false
		}
		if a.config != nil {
			c.Width, c.Height = a.config.Width, a.config.Height
		}
	}
}
