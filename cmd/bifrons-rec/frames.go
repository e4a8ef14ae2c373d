package main

import (
	"bifrons/rtp/frame"
	"bifrons/rtp/mjr"
)

// firstTime is the timestamp that an Assembler gives the first packet when its own is 0.
const firstTime = 1 << 32

// codecOf is a codec of recordings as frames have it.
func codecOf(name string) frame.Codec {
	switch name {
	case "vp8":
		return frame.VP8
	case "vp9":
		return frame.VP9
	case "h264":
		return frame.H264
	case "h265":
		return frame.H265
	case "av1":
		return frame.AV1
	case "opus", "multiopus":
		return frame.Opus
	case "g711", "pcmu", "pcma":
		return frame.G711
	case "g722":
		return frame.G722
	case "l16", "l16-48":
		return frame.L16
	}
	return frame.Unknown
}

// frameReader makes frames of the packets of a recording.
type frameReader struct {
	assembler *frame.Assembler
	header    *mjr.Header
}

// push gives the frames that are complete with a packet.
func (r *frameReader) push(p *mjr.Packet) []frame.Frame {
	return r.assembler.Push(&frame.Packet{Seq: p.Seq, Timestamp: uint32(p.Time), Marker: p.Marker, PT: p.PayloadType,
		RED: r.header.RED != 0 && p.PayloadType == r.header.RED, Arrival: int64(p.ArrivalMS), Payload: p.Payload})
}
