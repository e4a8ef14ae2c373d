// Package codec reads RTP payload descriptors: it says which place a packet
// has in its encoded stream, and renumbers VP8 descriptors across switches.
//
// Everything here is a pure function over borrowed byte slices. Nothing
// allocates, error paths included, and no parser reads outside its input.
package codec

import "errors"

// Kind names the payload formats that Inspect looks into.
type Kind uint8

// The payload formats. KindOther covers every format that is not looked into,
// end-to-end encrypted ones among them.
const (
	KindOther Kind = iota
	KindVP8
	KindVP9
	KindH264
	KindH265
	KindAV1
	KindOpus
	KindRED
)

// Errors of the parsers in this package.
var (
	// ErrShort means that the data ends inside a field.
	ErrShort = errors.New("codec: data ends inside a field")
	// ErrSyntax means that a field has a value that its format forbids.
	ErrSyntax = errors.New("codec: malformed descriptor")
	// ErrNoStructure means that a dependency descriptor names a template of a
	// structure that was not received.
	ErrNoStructure = errors.New("codec: template structure not known")
)

// MaxTemporal is the highest temporal layer that any supported format has.
const MaxTemporal = 7

// Info is the place of one packet in its encoded stream, the same for every
// codec. A layer that is not known for this packet is -1; a layer that the
// codec does not signal is 0.
type Info struct {
	// Keyframe is set on the packet with which a receiver can start: the one
	// that begins a key frame of its stream (or of an independently coded
	// spatial layer). H.264 and H.265 begin one with parameter sets, which may
	// be several packets; for H.265 the slice behind them counts as well.
	Keyframe bool
	// FrameStart and FrameEnd mark the first and last packet of a frame; with
	// spatial layers, of one layer's frame. For H.264 and H.265 FrameStart
	// is a hint: parameter sets and the slice behind them both carry it.
	FrameStart, FrameEnd bool

	HasSpatial, HasTemporal bool // the packet signals that layer
	Spatial, Temporal       int8

	// SwitchUp marks the first packet of a frame at which a receiver that has
	// the temporal layers up to UpFrom may take those up to UpTo, this frame
	// included; one that has more keeps them. With spatial layers it speaks
	// for the frame's own one.
	SwitchUp     bool
	UpFrom, UpTo int8

	// InterPicture is VP9's P bit: the frame refers to earlier pictures.
	// InterLayer is VP9's D bit: it refers to the spatial layer below.
	// NoUpperRef is VP9's Z bit: no higher spatial layer of the picture refers
	// to it. Flexible is VP9's F bit (RFC 9628, section 4.2).
	InterPicture, InterLayer, NoUpperRef, Flexible bool

	// Discardable means that no other frame of the same or a lower temporal
	// layer refers to this one.
	Discardable bool

	// Spatials and Temporals count the layers of the source where this packet
	// says, else 0.
	Spatials, Temporals int8
	// Width and Height are the picture's size in pixels where this packet
	// says, else 0. With spatial layers they are the frame's own layer's.
	Width, Height uint16
}

// keyframe marks i as the start of a key frame, at which every temporal layer
// becomes decodable.
func (i *Info) keyframe() {
	i.Keyframe = true
	i.SwitchUp, i.UpFrom, i.UpTo = true, -1, MaxTemporal
}

// Payload is one RTP payload with the header fields that describe it. All is borrowed.
type Payload struct {
	Kind       Kind
	Data       []byte
	Marker     bool   // of the RTP header
	Descriptor []byte // data of the dependency descriptor extension, nil when the packet has none
}

// Inspect fills *info for one RTP payload.
//
// A dependency descriptor is used for AV1, H.264, H.265 and KindOther, and for
// VP8 without layers of its own, which is how browsers send it beside one. dd is
// the state of the packet's encoded stream (SSRC), nil when the extension was not
// negotiated. Where a descriptor is used and parses, it is in dd.Frame then.
//
// On an error *info holds all that is still known, at least valid layers;
// the packet may be forwarded all the same.
func Inspect(p Payload, dd *DDState, info *Info) error {
	kind, payload, marker := p.Kind, p.Data, p.Marker
	*info = Info{FrameEnd: marker}
	var err error
	switch kind {
	case KindVP8:
		var d VP8
		if err = d.Parse(payload); err == nil {
			*info = d.Info(payload)
			info.FrameEnd = marker
		}
		if d.HasTID {
			return err
		}
	case KindVP9:
		var d VP9
		if err = d.Parse(payload); err == nil {
			*info = d.Info(payload)
		}
		return err
	case KindOpus, KindRED:
		info.FrameStart, info.FrameEnd = true, true
		return nil
	case KindH264:
		err = inspectH264(payload, info)
	case KindH265:
		err = inspectH265(payload, info)
	case KindAV1:
		err = inspectAV1(payload, info)
	}
	if dd == nil || len(p.Descriptor) == 0 {
		return err
	}
	if e := dd.Structure.Parse(p.Descriptor, &dd.Frame); e != nil {
		return e
	}
	dd.apply(kind, info)
	return err
}
