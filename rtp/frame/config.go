package frame

import (
	"bytes"

	"bifrons/rtp/codec"
)

// Config describes a video track for containers, besides its frames. Configs
// that were given never change; where things change there is a new one.
type Config struct {
	// VPS, SPS and PPS are the parameter sets of H.264 and H.265, as NAL units. Nothing
	// in them was checked but their types.
	VPS, SPS, PPS [][]byte
	Sequence      []byte // the sequence header of AV1, an OBU with its size
	AV1           codec.AV1Sequence
	VP9           codec.VP9Header
	Width, Height uint16 // of the picture in pixels, 0 if they are not known
}

// Config returns the latest configuration, nil before the first. VP8 has none.
func (a *Assembler) Config() *Config { return a.config }

func (a *Assembler) setConfig(n *Config) {
	a.config = n
	a.pic.NewConfig = true
}

// SetParameterSets takes H.264 parameter sets of the session description
// (sprop-parameter-sets; RFC 6184, 8.1).
func (a *Assembler) SetParameterSets(sprop string) {
	if a.codec != H264 {
		return
	}
	payload := codec.ParameterSets(sprop)
	for len(payload) > 2 {
		b := payload[1:]
		n := int(b[0])<<8 | int(b[1])
		a.sets.take(H264, b[2:2+n])
		payload = payload[2+n:]
	}
	if a.sets.changed {
		a.config, a.sets.changed = a.sets.config(), false
	}
}

const (
	maxSets    = 32   // of each kind
	maxSetSize = 4096 // of one, in bytes
)

// parameterSets are those in force, by their kind and id.
type parameterSets struct {
	list    []parameterSet
	w, h    uint16 // of the latest sequence parameter set
	changed bool
}

type parameterSet struct {
	kind uint8 // NAL unit type
	id   uint32
	nal  []byte
}

// take takes a parameter set and reports whether it is one.
func (s *parameterSets) take(c Codec, nal []byte) bool {
	kind, id, ok := parameterSetID(c, nal)
	if !ok || len(nal) > maxSetSize {
		return false
	}
	if kind == codec.H264SPS || kind == codec.H265SPS {
		if w, h, ok := pictureSize(c, nal); ok && (w != s.w || h != s.h) {
			s.w, s.h, s.changed = w, h, true
		}
	}
	same := 0
	for i := range s.list {
		p := &s.list[i]
		switch {
		case p.kind != kind:
		case p.id == id:
			if !bytes.Equal(p.nal, nal) {
				p.nal, s.changed = bytes.Clone(nal), true
			}
			return true
		default:
			same++
		}
	}
	if same < maxSets {
		s.list = append(s.list, parameterSet{kind, id, bytes.Clone(nal)})
		s.changed = true
	}
	return true
}

func parameterSetID(c Codec, nal []byte) (kind uint8, id uint32, ok bool) {
	if c == H264 {
		kind = nal[0] & 0x1f
		id, ok = codec.H264SetID(nal)
		return kind, id, ok
	}
	kind = nal[0] >> 1 & 0x3f
	id, ok = codec.H265SetID(nal)
	return kind, id, ok
}

// config decodes the sets.
func (s *parameterSets) config() *Config {
	n := &Config{Width: s.w, Height: s.h}
	for _, p := range s.list {
		switch p.kind {
		case codec.H264SPS, codec.H265SPS:
			n.SPS = append(n.SPS, p.nal)
		case codec.H264PPS, codec.H265PPS:
			n.PPS = append(n.PPS, p.nal)
		case codec.H265VPS:
			n.VPS = append(n.VPS, p.nal)
		}
	}
	return n
}

func pictureSize(c Codec, sps []byte) (w, h uint16, ok bool) {
	if c == H264 {
		var s codec.H264Sequence
		ok = s.Parse(sps)
		return s.Width, s.Height, ok
	}
	var s codec.H265Sequence
	ok = s.Parse(sps)
	return s.Width, s.Height, ok
}
