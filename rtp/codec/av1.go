package codec

// OBU types of AV1 (AV1 bitstream specification, section 6.2.2).
const (
	OBUSequenceHeader    = 1
	OBUTemporalDelimiter = 2
	OBUFrameHeader       = 3
	OBUFrame             = 6
	OBUTileList          = 8
	OBUPadding           = 15
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
// say. After Parse it reports false behind the last element only.
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
	HasSize           bool // size field present
	Size              uint64
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
		v, size := leb128(element[at:])
		if size == 0 {
			return ErrShort
		}
		o.HasSize, o.Size = true, v
		at += size
	}
	o.Payload = element[at:]
	return nil
}

// CutToSize cuts the payload of a whole OBU to the length in its size field, if it has
// one. It reports false where there is less.
func (o *OBU) CutToSize() bool {
	if !o.HasSize {
		return true
	}
	if o.Size > uint64(len(o.Payload)) {
		return false
	}
	o.Payload = o.Payload[:o.Size]
	return true
}

// Append appends the OBU with a size field, as files have it.
func (o *OBU) Append(dst []byte) []byte {
	head := o.Type<<3 | 0x02
	if o.HasLayers {
		dst = append(dst, head|0x04, o.Temporal<<5|o.Spatial<<3)
	} else {
		dst = append(dst, head)
	}
	n := len(o.Payload)
	for ; n >= 0x80; n >>= 7 {
		dst = append(dst, byte(n)|0x80)
	}
	return append(append(dst, byte(n)), o.Payload...)
}

// StartsKeyframe reports whether a frame, or its header, is of a key frame that is
// shown (AV1, 5.9.2).
func (o *OBU) StartsKeyframe() bool {
	return len(o.Payload) > 0 && o.Payload[0]&0xf0 == 0x10
}

// inspectAV1 adds the properties of an AV1 payload to i. Where the packet goes on
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
	if o.HasLayers && o.Type != OBUSequenceHeader {
		i.HasSpatial, i.HasTemporal = true, true
		i.Spatial, i.Temporal = int8(o.Spatial), int8(o.Temporal)
	}
	switch o.Type {
	case OBUSequenceHeader:
		i.FrameStart = i.FrameStart || start
		i.addSequence(o.Payload)
	case OBUFrameHeader, OBUFrame:
		i.FrameStart = i.FrameStart || start
	}
}
