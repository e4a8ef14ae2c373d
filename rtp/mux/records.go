package mux

import (
	"encoding/binary"

	"bifrons/rtp/codec"
	"bifrons/rtp/frame"
)

// record is the configuration record of a video track, nil for codecs without: the
// payload of the boxes avcC, hvcC and av1C and Matroska's CodecPrivate. inBand says that
// parameter sets may change within the track.
func record(t *Track, inBand bool) []byte {
	c := t.Config
	if c == nil {
		c = &frame.Config{}
	}
	switch t.Codec {
	case frame.H264:
		return avcRecord(c)
	case frame.H265:
		return hevcRecord(c, inBand)
	case frame.AV1:
		return av1Record(c)
	}
	return nil
}

// avcRecord is AVCDecoderConfigurationRecord (ISO 14496-15, 5.3.3.1).
func avcRecord(c *frame.Config) []byte {
	s := codec.H264Sequence{Profile: 0x42, Constraints: 0xc0, Level: 31}
	if len(c.SPS) > 0 {
		if sps := c.SPS[0]; !s.Parse(sps) && len(sps) > 3 {
			s = codec.H264Sequence{Profile: sps[1], Constraints: sps[2], Level: sps[3]}
		}
	}
	b := []byte{1, s.Profile, s.Constraints, s.Level, 0xff} // lengths of four octets
	n := min(len(c.SPS), 31)
	b = appendSets(append(b, 0xe0|byte(n)), c.SPS[:n])
	b = appendSets(append(b, byte(len(c.PPS))), c.PPS)
	if s.High() && s.BitDepth != 0 {
		b = append(b, 0xfc|s.Chroma, 0xf8|s.BitDepth-8, 0xf8|s.ChromaDepth-8, 0)
	}
	return b
}

// hevcRecord is HEVCDecoderConfigurationRecord (ISO 14496-15, 8.3.3.1).
func hevcRecord(c *frame.Config, inBand bool) []byte {
	s := codec.H265Sequence{SubLayers: 1, Chroma: 1, BitDepth: 8, ChromaDepth: 8}
	s.General = [12]byte{1, 0x60, 0, 0, 0, 0x90, 0, 0, 0, 0, 0, 93} // Main, level 3.1
	if len(c.SPS) > 0 {
		if p := (codec.H265Sequence{}); p.Parse(c.SPS[len(c.SPS)-1]) {
			s = p
		}
	}
	b := append([]byte{1}, s.General[:]...)
	nested := byte(0)
	if s.Nested {
		nested = 1
	}
	b = append(b, 0xf0, 0, 0xfc, 0xfc|s.Chroma, 0xf8|s.BitDepth-8, 0xf8|s.ChromaDepth-8, 0, 0, s.SubLayers<<3|nested<<2|3)
	at := len(b)
	b = append(b, 0)
	for _, a := range []struct {
		kind byte
		sets [][]byte
	}{{codec.H265VPS, c.VPS}, {codec.H265SPS, c.SPS}, {codec.H265PPS, c.PPS}} {
		if len(a.sets) == 0 {
			continue
		}
		complete := byte(0x80)
		if inBand {
			complete = 0
		}
		b[at]++
		b = binary.BigEndian.AppendUint16(append(b, complete|a.kind), uint16(len(a.sets)))
		b = appendSets(b, a.sets)
	}
	return b
}

func appendSets(b []byte, sets [][]byte) []byte {
	for _, s := range sets {
		b = append(binary.BigEndian.AppendUint16(b, uint16(len(s))), s...)
	}
	return b
}

// av1Record is AV1CodecConfigurationRecord (AV1 in ISOBMFF, 2.3.3).
func av1Record(c *frame.Config) []byte {
	s := &c.AV1
	if c.Sequence == nil {
		s = &codec.AV1Sequence{Level: 8, SubsamplingX: true, SubsamplingY: true}
	}
	bit := func(v bool, n int) byte {
		if v {
			return 1 << n
		}
		return 0
	}
	b := []byte{0x81, s.Profile<<5 | s.Level, s.Tier<<7 | bit(s.HighBitdepth, 6) | bit(s.TwelveBit, 5) |
		bit(s.Monochrome, 4) | bit(s.SubsamplingX, 3) | bit(s.SubsamplingY, 2) | s.SamplePosition, 0}
	return append(b, c.Sequence...)
}

// opusMapping says how channels are coded: the family of the mapping and the fields after
// it (RFC 7845, 5.1.1), nothing for one and two channels.
func opusMapping(channels int) []byte {
	if channels == 6 { // 5.1 as Vorbis orders it, as multiopus of browsers has it
		return []byte{1, 4, 2, 0, 4, 1, 2, 3, 5}
	}
	return []byte{0}
}

// OpusHead is the identification header of Opus (RFC 7845, 5.1), without pre-skip:
// packets of a call were not recorded from the start of their stream.
func OpusHead(channels int) []byte {
	b := append([]byte("OpusHead"), 1, byte(channels), 0, 0)
	b = binary.LittleEndian.AppendUint32(b, 48000)
	return append(append(b, 0, 0), opusMapping(channels)...)
}
