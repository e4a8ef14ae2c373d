package rtcp

import "time"

const (
	// ntpUnix is the Unix epoch in seconds of NTP era 0, which began in 1900.
	ntpUnix = 2208988800
	// ntpEra is the length of an era in seconds; era 1 begins in 2036.
	ntpEra = 1 << 32
)

// NTP returns t as a 64-bit NTP timestamp: seconds since 1900 modulo 2^32 and
// a 32-bit fraction (RFC 3550, 4).
func NTP(t time.Time) uint64 {
	sec := uint64(t.Unix() + ntpUnix)
	frac := (uint64(t.Nanosecond())<<32 + 5e8) / 1e9
	return sec<<32 + frac
}

// FromNTP returns the wall-clock time of a 64-bit NTP timestamp between 1968
// and 2104 (RFC 4330, 3).
func FromNTP(n uint64) time.Time {
	sec := int64(n >> 32)
	if sec < ntpEra/2 {
		sec += ntpEra
	}
	nsec := (n&(1<<32-1)*1e9 + 1<<31) >> 32
	return time.Unix(sec-ntpUnix, int64(nsec))
}

// MiddleNTP returns the middle 32 bits of an NTP timestamp, 16.16 fixed point
// seconds, as LSR carries them.
func MiddleNTP(n uint64) uint32 { return uint32(n >> 16) }

// ShortDuration converts a span in 1/65536 s, as in DLSR.
func ShortDuration(v uint32) time.Duration {
	return time.Duration(uint64(v) * uint64(time.Second) >> 16)
}

// Short returns d in 1/65536 s, as in DLSR, capped at 32 bits.
func Short(d time.Duration) uint32 {
	if d < 0 {
		return 0
	}
	if d >= 1<<16*time.Second {
		return 1<<32 - 1
	}
	return uint32((uint64(d)<<16 + uint64(time.Second)/2) / uint64(time.Second))
}
