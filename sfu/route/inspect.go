package route

import (
	"bifrons/rtp/codec"
	"bifrons/sfu/media"
)

// kinds maps the payload formats to those of package codec.
var kinds = [media.NumCodecs]codec.Kind{
	media.VP8:  codec.KindVP8,
	media.VP9:  codec.KindVP9,
	media.H264: codec.KindH264,
	media.H265: codec.KindH265,
	media.AV1:  codec.KindAV1,
	media.Opus: codec.KindOpus,
	media.RED:  codec.KindRED,
}

// Inspector reads the payload descriptors of one encoded stream. The zero value
// is ready.
type Inspector struct {
	// Temporals is the number of temporal layers that the sender announced
	// outside its payloads, 0 = unknown.
	Temporals int8

	dd *codec.DDState // made with the first dependency descriptor
}

// Inspect fills in the fields of p that payload describes; p has all others by then.
// It reports false for a payload that cannot be read; such a packet is forwarded
// as it is.
func (in *Inspector) Inspect(p *Packet, payload []byte) bool {
	var err error
	if p.Codec == media.VP8 {
		if err = p.VP8.Parse(payload); err == nil {
			p.Info = p.VP8.Info(payload)
			p.Info.FrameEnd = p.Marker
		}
	} else {
		if in.dd == nil && len(p.Ext.Descriptor) > 0 {
			in.dd = new(codec.DDState)
		}
		err = codec.Inspect(codec.Payload{
			Kind: kinds[p.Codec], Data: payload, Marker: p.Marker, Descriptor: p.Ext.Descriptor,
		}, in.dd, &p.Info)
	}
	if err != nil {
		return false
	}
	if in.Temporals != 0 && p.Info.Temporals == 0 {
		p.Info.Temporals = in.Temporals
	}
	p.Read = p.Codec.Inspected()
	return true
}
