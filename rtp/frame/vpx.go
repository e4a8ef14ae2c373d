package frame

import "bifrons/rtp/codec"

func (a *Assembler) startVP8(payload []byte) {
	var d codec.VP8
	if d.Parse(payload) != nil {
		return
	}
	i, c := d.Info(payload), &a.pic
	c.start = i.FrameStart
	c.Key, c.Width, c.Height = i.Keyframe, i.Width, i.Height
}

func (a *Assembler) addVP8(payload []byte) bool {
	var d codec.VP8
	if d.Parse(payload) != nil {
		return false
	}
	return a.pic.add(payload[d.HeaderLen:]...)
}

// startVP9 takes the properties of the first packet. The frame of an upper layer that is
// predicted from the one below is no start.
func (a *Assembler) startVP9(payload []byte) {
	var d codec.VP9
	if d.Parse(payload) != nil {
		return
	}
	a.pic.start = d.B && !d.D
	a.pic.Key = a.pic.start && d.Info(payload).Keyframe
	if d.V && d.SS.HasResolution {
		a.spatial = d.SS
	}
}

func (a *Assembler) addVP9(payload []byte) bool {
	var d codec.VP9
	if d.Parse(payload) != nil {
		return false
	}
	c := &a.pic
	body := payload[d.HeaderLen:]
	if d.B {
		if c.layers == len(c.sizes) {
			return false
		}
		c.layers++
		a.vp9Size(&d, body)
	}
	ok := c.add(body...)
	if c.layers > 0 {
		c.sizes[c.layers-1] = len(c.data)
	}
	return ok && c.layers > 0
}

// vp9Size takes the format from the header of a key frame, and the size from there or,
// with several layers, from what the descriptor told of the layer.
func (a *Assembler) vp9Size(d *codec.VP9, body []byte) {
	c := &a.pic
	if !c.Key {
		return
	}
	var h codec.VP9Header
	if h.Parse(body) {
		c.vp9 = h
		c.Width, c.Height = h.Width, h.Height
	}
	if w, h := a.spatial.Width[d.SID], a.spatial.Height[d.SID]; w != 0 && h != 0 && d.SID > 0 {
		c.Width, c.Height = w, h
	}
}

// endVP9 makes the frames of several layers one superframe, with an index at the
// end (VP9 bitstream specification, annex B).
func (a *Assembler) endVP9() {
	c := &a.pic
	if c.Key && c.vp9.Width != 0 {
		n := Config{VP9: c.vp9, Width: c.Width, Height: c.Height}
		if a.config == nil || a.config.VP9 != n.VP9 || a.config.Width != n.Width || a.config.Height != n.Height {
			a.setConfig(&n)
		}
	}
	if c.layers < 2 || c.full {
		return
	}
	largest, last := 0, 0
	for _, end := range c.sizes[:c.layers] {
		largest = max(largest, end-last)
		last = end
	}
	width := 1
	for largest>>(8*width) != 0 {
		width++
	}
	marker := byte(0xc0 | (width-1)<<3 | (c.layers - 1))
	c.data = append(c.data, marker)
	last = 0
	for _, end := range c.sizes[:c.layers] {
		for n := range width {
			c.data = append(c.data, byte((end-last)>>(8*n)))
		}
		last = end
	}
	c.data = append(c.data, marker)
}
