package sdp

import (
	"strconv"
	"strings"
)

// DefaultH264Profile is the profile-level-id to offer where nobody has named one:
// constrained baseline, level 3.1, which every browser has (RFC 7742, 6.2).
const DefaultH264Profile = "42e01f"

// h264Format is the H.264 described by a format's parameters (RFC 6184, 8.1).
type h264Format struct {
	profile uint16 // the same number for all spellings of a profile
	level   int    // to be compared only
	mode    string // packetization-mode
}

// h264 reads the parameters of a format; ok is false for a damaged profile-level-id.
// Defaults are packetization mode 0, and baseline of level 1.
func (c *Codec) h264() (f h264Format, ok bool) {
	f.mode = c.h264Mode()
	f.profile, f.level, ok = parseProfileLevel(c.profileLevel())
	return f, ok
}

func (c *Codec) profileLevel() string {
	if id, ok := c.Parameter("profile-level-id"); ok {
		return id
	}
	return "42000a"
}

// h264Mode is the packetization mode: "0" single NAL unit, "1" non-interleaved,
// "2" interleaved, which nothing here understands.
func (c *Codec) h264Mode() string {
	if mode, _ := c.Parameter("packetization-mode"); mode == "1" || mode == "2" {
		return mode
	}
	return "0"
}

// parseProfileLevel reads the value of profile-level-id: three bytes in hexadecimal.
func parseProfileLevel(id string) (profile uint16, level int, ok bool) {
	n, err := strconv.ParseUint(id, 16, 24)
	if err != nil || len(id) != 6 {
		return 0, 0, false
	}
	idc, iop, level := uint8(n>>16), uint8(n>>8), 2*int(n&0xff)
	const level1b = 2*10 + 1 // between 1 and 1.1
	if level == 2*9 || level == 2*11 && iop&0x10 != 0 && (idc == 0x42 || idc == 0x4d || idc == 0x58) {
		level = level1b
	}
	for _, p := range h264SubProfiles {
		if p.idc == idc && iop&p.mask == p.bits {
			return p.profile, level, true
		}
	}
	return uint16(n >> 8), level, true
}

// h264SubProfiles are the profiles with more than one spelling (RFC 6184, table 5).
var h264SubProfiles = []struct {
	idc, mask, bits uint8
	profile         uint16
}{
	{0x42, 0x4f, 0x40, 0x4240}, {0x4d, 0x8f, 0x80, 0x4240}, {0x58, 0xcf, 0xc0, 0x4240}, // constrained baseline
	{0x42, 0x4f, 0x00, 0x4200}, {0x58, 0xcf, 0x80, 0x4200}, // baseline
	{0x4d, 0xaf, 0x00, 0x4d00}, // main
	{0x58, 0xcf, 0x00, 0x5800}, // extended
}

// hasH264Profile reports whether a format has the profile of a profile-level-id. The
// level is no part of the match (RFC 6184, 8.2.2).
func (c *Codec) hasH264Profile(id string) bool {
	f, ok := c.h264()
	profile, _, valid := parseProfileLevel(id)
	return ok && valid && f.profile == profile
}

// h264Answer is the parameters that accept a format for the sake of its profile:
// its packetization mode, and the lower one of both levels.
func (c *Codec) h264Answer(id string) string {
	offered := c.profileLevel()
	_, theirs, _ := parseProfileLevel(offered)
	if _, ours, _ := parseProfileLevel(id); theirs <= ours && !strings.EqualFold(offered, id) {
		id = offered
	}
	return "profile-level-id=" + id + ";packetization-mode=" + c.h264Mode()
}

// permitsH264 reports whether parameters may be the answer to a format: of the same
// profile and mode, and not of a higher level.
func (c *Codec) permitsH264(fmtp string) bool {
	offered, ok := c.h264()
	answer, valid := (&Codec{Fmtp: fmtp}).h264()
	return ok && valid && offered.profile == answer.profile && offered.mode == answer.mode && answer.level <= offered.level
}
