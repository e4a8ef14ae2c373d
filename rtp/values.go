package rtp

import (
	"encoding/binary"
	"time"

	"bifrons/rtp/mono"
)

// AudioLevel reads a client-to-mixer audio level (RFC 6464): the level in
// -dBov, 0 (loudest) to 127 (silence), and whether the encoder believes that
// it contains voice.
func AudioLevel(b []byte) (level uint8, voice, ok bool) {
	if len(b) == 0 {
		return 0, false, false
	}
	return b[0] & 0x7f, b[0]&0x80 != 0, true
}

// AudioLevelValue is the byte that AudioLevel reads. Levels above 127 count as
// 127.
func AudioLevelValue(level uint8, voice bool) uint8 {
	level = min(level, 127)
	if voice {
		level |= 0x80
	}
	return level
}

// AbsSendTimeOf returns now as an abs-send-time: 24 bits of seconds as 6.18
// fixed point, wrapping every 64 s.
func AbsSendTimeOf(now mono.Time) uint32 {
	sec := uint64(now) / uint64(time.Second)
	frac := uint64(now) % uint64(time.Second)
	return uint32(sec<<18+frac<<18/uint64(time.Second)) & 0xffffff
}

// AbsSendTime reads an abs-send-time.
func AbsSendTime(b []byte) (t uint32, ok bool) {
	if len(b) < 3 {
		return 0, false
	}
	return uint32(b[0])<<16 | uint32(b[1])<<8 | uint32(b[2]), true
}

// AbsSendTimeDiff returns a-b for two abs-send-times less than 32 s apart.
func AbsSendTimeDiff(a, b uint32) time.Duration {
	d := int64(int32((a-b)<<8) >> 8)
	return time.Duration(d * int64(time.Second) >> 18)
}

// TransportSequence reads a transport-wide sequence number
// (draft-holmer-rmcat-transport-wide-cc-extensions-01).
func TransportSequence(b []byte) (seq uint16, ok bool) {
	if len(b) < 2 {
		return 0, false
	}
	return binary.BigEndian.Uint16(b), true
}

// Orientation is a coordination of video orientation (3GPP TS 26.114, 7.4.5).
type Orientation struct {
	Rotation uint16 // degrees clockwise to turn the picture before display: 0, 90, 180, 270
	Flip     bool   // mirrored horizontally
	Back     bool   // from the back-facing camera
}

// VideoOrientation reads a video-orientation element.
func VideoOrientation(b []byte) (o Orientation, ok bool) {
	if len(b) == 0 {
		return o, false
	}
	return Orientation{Rotation: uint16(b[0]&3) * 90, Flip: b[0]&4 != 0, Back: b[0]&8 != 0}, true
}

// Value is the byte that VideoOrientation reads.
func (o Orientation) Value() uint8 {
	v := uint8(o.Rotation/90) & 3
	if o.Flip {
		v |= 4
	}
	if o.Back {
		v |= 8
	}
	return v
}

// playoutUnit is the unit of playout-delay.
const playoutUnit = 10 * time.Millisecond

// MaxPlayoutDelay is the longest delay that playout-delay can say.
const MaxPlayoutDelay = 0xfff * playoutUnit

// PlayoutDelay reads a playout-delay element: the range of delays between
// capture and display that the sender wishes, in steps of 10 ms.
func PlayoutDelay(b []byte) (least, most time.Duration, ok bool) {
	if len(b) < 3 {
		return 0, 0, false
	}
	v := uint32(b[0])<<16 | uint32(b[1])<<8 | uint32(b[2])
	return time.Duration(v>>12) * playoutUnit, time.Duration(v&0xfff) * playoutUnit, true
}

// PlayoutDelayValue returns the 24 bits that PlayoutDelay reads; delays are
// rounded down to 10 ms and limited to 0..MaxPlayoutDelay.
func PlayoutDelayValue(least, most time.Duration) uint32 {
	unit := func(d time.Duration) uint32 {
		return uint32(min(max(d, 0), MaxPlayoutDelay) / playoutUnit)
	}
	return unit(least)<<12 | unit(most)
}

// AbsCapture is an absolute capture time.
type AbsCapture struct {
	Time      uint64 // NTP timestamp, 32.32 fixed point, on the capturer's clock
	Offset    int64  // capturer's clock minus sender's clock, 32.32 fixed point seconds
	HasOffset bool
}

// AbsCaptureTime reads an abs-capture-time element of 8 or 16 bytes.
func AbsCaptureTime(b []byte) (c AbsCapture, ok bool) {
	if len(b) < 8 {
		return c, false
	}
	c.Time = binary.BigEndian.Uint64(b)
	if len(b) >= 16 {
		c.Offset, c.HasOffset = int64(binary.BigEndian.Uint64(b[8:])), true
	}
	return c, true
}

// Append appends the element's data, 8 or 16 bytes.
func (c AbsCapture) Append(dst []byte) []byte {
	dst = binary.BigEndian.AppendUint64(dst, c.Time)
	if c.HasOffset {
		dst = binary.BigEndian.AppendUint64(dst, uint64(c.Offset))
	}
	return dst
}

// MaxIDLen is the longest mid or rid that header extensions carry here.
const MaxIDLen = 16

// ValidMID reports whether b, as received in a header extension, is usable as
// a media id: 1..16 characters of an SDP token (RFC 8843, 15; RFC 4566, 9).
func ValidMID(b []byte) bool {
	if len(b) == 0 || len(b) > MaxIDLen {
		return false
	}
	for _, c := range b {
		if !isToken(c) {
			return false
		}
	}
	return true
}

// ValidRID reports whether b, as received in a header extension, is usable as
// a restriction id: 1..16 letters, digits, '-' or '_' (RFC 8851, 10).
func ValidRID(b []byte) bool {
	if len(b) == 0 || len(b) > MaxIDLen {
		return false
	}
	for _, c := range b {
		if !isAlnum(c) && c != '-' && c != '_' {
			return false
		}
	}
	return true
}

func isAlnum(c byte) bool {
	return c-'0' < 10 || c|0x20 >= 'a' && c|0x20 <= 'z'
}

// isToken is token-char of RFC 4566.
func isToken(c byte) bool {
	switch c {
	case '"', '(', ')', ',', '/', ':', ';', '<', '=', '>', '?', '@', '[', '\\', ']':
		return false
	}
	return c > ' ' && c < 0x7f
}
