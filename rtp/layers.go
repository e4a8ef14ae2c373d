package rtp

import "encoding/binary"

// Most streams of a simulcast, and most spatial or temporal layers of a
// stream, that a video layers allocation can describe.
const (
	MaxStreams        = 4
	MaxSpatialLayers  = 4
	MaxTemporalLayers = 4
)

// LayersAllocation is a video-layers-allocation00 header extension: the layers that the
// sender encodes at present, over all RTP streams of a simulcast.
type LayersAllocation struct {
	Stream        uint8 // index of the RTP stream that carried this
	Streams       uint8 // how many streams are described; 0 if all are inactive
	HasResolution bool  // Width, Height and FPS of the active layers are set
	Layers        [MaxStreams][MaxSpatialLayers]SpatialLayer
}

// SpatialLayer describes one spatial layer of one stream.
type SpatialLayer struct {
	Temporal uint8                     // temporal layers, 1..4; 0 if the layer is not sent
	Bitrate  [MaxTemporalLayers]uint32 // kbit/s, each including the layers below
	Width    uint32                    // pixels
	Height   uint32
	FPS      uint8
}

// Active reports whether the layer is being sent.
func (l *SpatialLayer) Active() bool { return l.Temporal > 0 }

// Spatial returns how many spatial layers of a stream are being sent.
func (a *LayersAllocation) Spatial(stream int) int {
	n := 0
	for i := range a.Layers[stream] {
		if a.Layers[stream][i].Active() {
			n++
		}
	}
	return n
}

// Parse reads the extension's data. It reports false if the part with the
// layer structure is incomplete; missing bitrates or resolutions are left 0.
func (a *LayersAllocation) Parse(b []byte) bool {
	*a = LayersAllocation{}
	if len(b) == 0 {
		return false
	}
	if len(b) == 1 && b[0] == 0 {
		return true
	}
	a.Stream, a.Streams = b[0]>>6, b[0]>>4&3+1
	masks, b, ok := layerMasks(b[0]&0x0f, int(a.Streams), b[1:])
	if !ok {
		return false
	}
	if b, ok = a.parseTemporal(masks, b); !ok {
		return false
	}
	if b, ok = a.parseBitrates(b); ok {
		a.parseResolutions(b)
	}
	return true
}

// layerMasks reads the bit mask of spatial layers of each stream: one for all,
// or if that is 0 a nibble each.
func layerMasks(shared byte, streams int, b []byte) (masks [MaxStreams]byte, rest []byte, ok bool) {
	if shared != 0 {
		for s := range streams {
			masks[s] = shared
		}
		return masks, b, true
	}
	n := (streams + 1) / 2
	if len(b) < n {
		return masks, nil, false
	}
	for s := range streams {
		masks[s] = b[s/2] >> (4 * (1 - s%2)) & 0x0f
	}
	return masks, b[n:], true
}

// parseTemporal reads the number of temporal layers minus one, two bits for
// each active spatial layer.
func (a *LayersAllocation) parseTemporal(masks [MaxStreams]byte, b []byte) ([]byte, bool) {
	n := 0
	for s := range a.Layers {
		for l := range a.Layers[s] {
			if masks[s]>>l&1 == 0 {
				continue
			}
			if n/4 >= len(b) {
				return nil, false
			}
			a.Layers[s][l].Temporal = b[n/4]>>(6-2*(n%4))&3 + 1
			n++
		}
	}
	return b[(n+3)/4:], true
}

// parseBitrates reads a LEB128 number for each temporal layer.
func (a *LayersAllocation) parseBitrates(b []byte) ([]byte, bool) {
	for s := range a.Layers {
		for l := range a.Layers[s] {
			layer := &a.Layers[s][l]
			for t := range layer.Temporal {
				v, n := leb128(b)
				if n == 0 {
					return nil, false
				}
				layer.Bitrate[t], b = v, b[n:]
			}
		}
	}
	return b, true
}

// parseResolutions reads five bytes for each active spatial layer.
func (a *LayersAllocation) parseResolutions(b []byte) {
	for s := range a.Layers {
		for l := range a.Layers[s] {
			layer := &a.Layers[s][l]
			if !layer.Active() {
				continue
			}
			if len(b) < 5 {
				return
			}
			layer.Width = uint32(binary.BigEndian.Uint16(b)) + 1
			layer.Height = uint32(binary.BigEndian.Uint16(b[2:])) + 1
			layer.FPS = b[4]
			a.HasResolution = true
			b = b[5:]
		}
	}
}

// leb128 reads an unsigned LEB128 number and returns its length in bytes, 0 if
// it is incomplete or does not fit 32 bits.
func leb128(b []byte) (v uint32, n int) {
	var x uint64
	for i := 0; i < len(b) && i < 5; i++ {
		x |= uint64(b[i]&0x7f) << (7 * i)
		if b[i]&0x80 == 0 {
			if x > 1<<32-1 {
				return 0, 0
			}
			return uint32(x), i + 1
		}
	}
	return 0, 0
}
