package codec

import (
	"strconv"
	"strings"
)

// H264Profile is a profile that RTP endpoints distinguish (RFC 6184, section
// 8.1, table 5).
type H264Profile uint8

// The profiles. H264Unknown stands for an unusual one.
const (
	H264Unknown H264Profile = iota
	H264ConstrainedBaseline
	H264Baseline
	H264Main
	H264Extended
	H264ConstrainedHigh
	H264High
	H264High10
	H264High422
	H264High444
)

// H264Format is the bitstream described by an H.264 fmtp line (RFC 6184,
// section 8.1).
type H264Format struct {
	ProfileIDC        uint8 // profile_idc
	Constraints       uint8 // profile-iop
	Level             uint8 // level_idc
	PacketizationMode uint8 // 0, 1 or 2
	LevelAsymmetry    bool  // level-asymmetry-allowed
}

// ParseH264Format reads the parameters of an fmtp attribute, without "fmtp:"
// and the payload type. Absent ones get their defaults: Baseline, level 1,
// mode 0. It returns ErrSyntax for a malformed value.
func ParseH264Format(fmtp string) (H264Format, error) {
	f := H264Format{ProfileIDC: 0x42, Level: 10}
	for len(fmtp) > 0 {
		var param string
		param, fmtp, _ = strings.Cut(fmtp, ";")
		key, value, _ := strings.Cut(strings.TrimSpace(param), "=")
		value = strings.TrimSpace(value)
		switch strings.ToLower(strings.TrimSpace(key)) {
		case "profile-level-id":
			v, err := strconv.ParseUint(value, 16, 32)
			if err != nil || len(value) != 6 {
				return f, ErrSyntax
			}
			f.ProfileIDC, f.Constraints, f.Level = uint8(v>>16), uint8(v>>8), uint8(v)
		case "packetization-mode":
			if len(value) != 1 || value[0] < '0' || value[0] > '2' {
				return f, ErrSyntax
			}
			f.PacketizationMode = value[0] - '0'
		case "level-asymmetry-allowed":
			if value != "0" && value != "1" {
				return f, ErrSyntax
			}
			f.LevelAsymmetry = value == "1"
		}
	}
	return f, nil
}

// Profile returns the profile that profile_idc and profile-iop mean together.
func (f H264Format) Profile() H264Profile {
	for _, p := range h264Profiles {
		if f.ProfileIDC == p.idc && f.Constraints&p.mask == p.value {
			return p.profile
		}
	}
	return H264Unknown
}

var h264Profiles = [...]struct {
	idc, mask, value uint8
	profile          H264Profile
}{
	{0x42, 0x4f, 0x40, H264ConstrainedBaseline},
	{0x4d, 0x8f, 0x80, H264ConstrainedBaseline},
	{0x58, 0xcf, 0xc0, H264ConstrainedBaseline},
	{0x42, 0x4f, 0x00, H264Baseline},
	{0x58, 0xcf, 0x80, H264Baseline},
	{0x4d, 0xaf, 0x00, H264Main},
	{0x58, 0xcf, 0x00, H264Extended},
	{0x64, 0xff, 0x0c, H264ConstrainedHigh},
	{0x64, 0xff, 0x00, H264High},
	{0x6e, 0xff, 0x00, H264High10},
	{0x7a, 0xff, 0x00, H264High422},
	{0xf4, 0xff, 0x00, H264High444},
}

// Matches says whether f and o are one format in offer and answer: the same
// profile and packetization mode. Levels may differ (RFC 6184, section 8.2.2).
func (f H264Format) Matches(o H264Format) bool {
	if f.PacketizationMode != o.PacketizationMode {
		return false
	}
	p := f.Profile()
	if p == H264Unknown {
		return f.ProfileIDC == o.ProfileIDC && f.Constraints == o.Constraints
	}
	return p == o.Profile()
}
