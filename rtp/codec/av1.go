package codec

// OBU types of AV1 (AV1 bitstream specification, section 6.2.2).
const (
	obuSequenceHeader = 1
	obuFrameHeader    = 3
	obuFrame          = 6
)

// AV1 is an AV1 aggregation header and the OBU elements behind it (AV1 RTP
// specification, section 4.4). It refers to the payload that it was parsed
// from.
type AV1 struct {
	Z bool  // the first element continues one of the packet before
	Y bool  // the last element goes on in the next packet
	W uint8 // number of elements, 0 = each has a length
	N bool  // first packet of a coded video sequence

	rest  []byte
	index uint8 // elements taken so far, only counted up to W
}

// Parse reads the aggregation header and checks every element's length, so
// that Next cannot fail. It returns ErrShort or ErrSyntax.
func (d *AV1) Parse(payload []byte) error {
	*d = AV1{}
	if len(payload) < 1 {
		return ErrShort
	}
	b := payload[0]
	d.Z, d.Y, d.W, d.N = b&0x80 != 0, b&0x40 != 0, b>>4&3, b&0x08 != 0
	if d.Z && d.N {
		return ErrSyntax
	}
	d.rest = payload[1:]
	if len(d.rest) == 0 {
		return ErrShort
	}
	check := *d
	for len(check.rest) > 0 {
		if _, ok := check.Next(); !ok {
			return ErrShort
		}
	}
	if check.index < d.W {
		return ErrShort
	}
	return nil
}

// Next returns the next OBU element: an OBU, or a fragment of one as Z and Y
// tell. After Parse it reports false behind the last element only.
func (d *AV1) Next() (element []byte, ok bool) {
	if len(d.rest) == 0 {
		return nil, false
	}
	if d.W != 0 {
		d.index++
		if d.index >= d.W {
			element, d.rest = d.rest, nil
			return element, true
		}
	}
	n, size := leb128(d.rest)
	if size == 0 || n > uint64(len(d.rest)-size) {
		return nil, false
	}
	element = d.rest[size : size+int(n)]
	d.rest = d.rest[size+int(n):]
	return element, true
}

// leb128 returns the number at the front of b and how many bytes it takes, 0
// when it is cut or longer than 8 bytes (AV1, section 4.10.5).
func leb128(b []byte) (v uint64, size int) {
	for i := 0; i < len(b) && i < 8; i++ {
		v |= uint64(b[i]&0x7f) << (7 * i)
		if b[i]&0x80 == 0 {
			return v, i + 1
		}
	}
	return 0, 0
}

// OBU is the header of an open bitstream unit (AV1, section 5.3).
type OBU struct {
	Type              uint8
	HasLayers         bool // extension header present
	Temporal, Spatial uint8
	Payload           []byte // borrowed; without the size field, if there is one
}

// Parse reads the header of an element that is, or begins, an OBU. It returns
// ErrShort or ErrSyntax.
func (o *OBU) Parse(element []byte) error {
	*o = OBU{}
	if len(element) < 1 {
		return ErrShort
	}
	b := element[0]
	if b&0x80 != 0 {
		return ErrSyntax
	}
	o.Type = b >> 3 & 15
	at := 1
	if b&0x04 != 0 {
		if len(element) < 2 {
			return ErrShort
		}
		o.HasLayers, o.Temporal, o.Spatial = true, element[1]>>5, element[1]>>3&3
		at = 2
	}
	if b&0x02 != 0 {
		_, size := leb128(element[at:])
		if size == 0 {
			return ErrShort
		}
		at += size
	}
	o.Payload = element[at:]
	return nil
}

// inspectAV1 adds what an AV1 payload tells to i. Where the packet goes on
// with an OBU of the packet before, its layers are not known.
func inspectAV1(payload []byte, i *Info) error {
	var d AV1
	if err := d.Parse(payload); err != nil {
		return err
	}
	if d.Z {
		i.Spatial, i.Temporal = -1, -1
	}
	continued := d.Z
	for element, ok := d.Next(); ok; element, ok = d.Next() {
		if continued || len(element) == 0 {
			continued = false
			continue
		}
		var o OBU
		if err := o.Parse(element); err != nil {
			return err
		}
		i.addOBU(&o, !d.Z)
	}
	if d.N {
		i.keyframe()
	}
	return nil
}

func (i *Info) addOBU(o *OBU, start bool) {
	if o.HasLayers && o.Type != obuSequenceHeader {
		i.HasSpatial, i.HasTemporal = true, true
		i.Spatial, i.Temporal = int8(o.Spatial), int8(o.Temporal)
	}
	switch o.Type {
	case obuSequenceHeader:
		i.FrameStart = i.FrameStart || start
		i.readSequenceHeader(o.Payload)
	case obuFrameHeader, obuFrame:
		i.FrameStart = i.FrameStart || start
	}
}

// readSequenceHeader takes the picture size and the number of layers from
// an AV1 sequence header (AV1, section 5.5.1).
func (i *Info) readSequenceHeader(b []byte) {
	r := bitReader{data: b}
	r.skip(3 + 1) // seq_profile, still_picture
	layers := uint32(0)
	if r.flag() { // reduced_still_picture_header
		r.skip(5)
	} else {
		layers = operatingPoints(&r)
	}
	wBits, hBits := int(r.bits(4))+1, int(r.bits(4))+1
	w, h := r.bits(wBits)+1, r.bits(hBits)+1
	if r.over {
		return
	}
	i.Width, i.Height = uint16(min(w, 0xffff)), uint16(min(h, 0xffff))
	if layers != 0 {
		i.Temporals, i.Spatials = layerCount(layers&0xff), layerCount(layers>>8)
	}
}

// layerCount returns the number of layers up to the highest one in mask.
func layerCount(mask uint32) (n int8) {
	for ; mask != 0; mask >>= 1 {
		n++
	}
	return n
}

// operatingPoints passes over the timing information and the operating points
// of a sequence header and returns the first one's operating_point_idc: the
// mask of its temporal layers, and from bit 8 of its spatial ones.
func operatingPoints(r *bitReader) (layers uint32) {
	decoderModel, delayBits := false, 0
	if r.flag() { // timing_info_present_flag
		r.skip(64)
		if r.flag() { // equal_picture_interval
			r.skipUVLC()
		}
		if decoderModel = r.flag(); decoderModel {
			delayBits = int(r.bits(5)) + 1
			r.skip(32 + 5 + 5)
		}
	}
	initialDelay := r.flag()
	for n := range int(r.bits(5)) + 1 {
		idc := r.bits(12)
		if n == 0 {
			layers = idc
		}
		if r.bits(5) > 7 { // seq_level_idx
			r.skip(1)
		}
		if decoderModel && r.flag() {
			r.skip(2*delayBits + 1)
		}
		if initialDelay && r.flag() {
			r.skip(4)
		}
	}
	return layers
}

// skipUVLC passes over a variable length number (AV1, section 4.10.3).
func (r *bitReader) skipUVLC() {
	zeros := 0
	for !r.flag() {
		if r.over {
			return
		}
		zeros++
	}
	if zeros < 32 {
		r.skip(zeros)
	}
}
