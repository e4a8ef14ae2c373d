package nack

import (
	"time"

	"bifrons/rtp/mono"
)

// How long a packet is not resent after it was: at first, and at most.
const (
	FirstBackoff = 40 * time.Millisecond
	MaxBackoff   = time.Second
)

const (
	limiterSets = 64
	limiterWays = 4
)

// Limiter keeps one subscriber's NACKs from having packets resent too often:
// after a packet was resent it is not again for 40 ms, then 80 ms, doubling to
// 1 s. It remembers 256 packets; were more asked for while all those that share
// their slots are still held back, they are refused too, which bounds how much
// a subscriber can have resent. The zero Limiter is ready for use; most are never
// asked, so its 2 KiB are allocated by the first Allow, and once.
type Limiter struct {
	sets *[limiterSets][limiterWays]resent
}

// resent is one packet's record, in 8 bytes.
type resent struct {
	until uint32 // in milliseconds, modulo 2^32
	seq   uint16
	level uint8 // 0 if unused, else the number of times resent, saturating
}

// Allow reports whether the packet may be resent now, and if so takes note of
// it.
func (l *Limiter) Allow(now mono.Time, seq uint16) bool {
	if l.sets == nil {
		l.sets = new([limiterSets][limiterWays]resent)
	}
	ms := uint32(int64(now) / int64(time.Millisecond))
	set := &l.sets[seq%limiterSets]
	var free *resent
	for i := range set {
		r := &set[i]
		if r.level > 0 && r.seq == seq {
			return r.again(ms)
		}
		if !r.held(ms) && (free == nil || ms-r.until > ms-free.until) {
			free = r // held back no more for the longest time
		}
	}
	if free == nil {
		return false
	}
	*free = resent{seq: seq, level: 1, until: ms + backoff(1)}
	return true
}

// Held reports whether the packet was resent too lately to be resent now. It takes note of
// nothing.
func (l *Limiter) Held(now mono.Time, seq uint16) bool {
	if l.sets == nil {
		return false
	}
	ms := uint32(int64(now) / int64(time.Millisecond))
	for i := range l.sets[seq%limiterSets] {
		if r := &l.sets[seq%limiterSets][i]; r.level > 0 && r.seq == seq {
			return r.held(ms)
		}
	}
	return false
}

// again is Allow for a packet that was resent before. A record unused for
// MaxBackoff beyond its time is of an earlier packet or a settled matter, and
// starts again.
func (r *resent) again(ms uint32) bool {
	if r.held(ms) {
		return false
	}
	if ms-r.until >= uint32(MaxBackoff/time.Millisecond) {
		r.level = 0
	}
	if r.level < 255 {
		r.level++
	}
	r.until = ms + backoff(r.level)
	return true
}

// Reset forgets everything, as when the stream starts again.
func (l *Limiter) Reset() {
	if l.sets != nil {
		clear(l.sets[:])
	}
}

// backoff returns the milliseconds to wait after the level-th time.
func backoff(level uint8) uint32 {
	d := FirstBackoff << min(level-1, 8)
	return uint32(min(d, MaxBackoff) / time.Millisecond)
}

// held reports whether the packet must not be resent yet.
func (r *resent) held(ms uint32) bool {
	return r.level > 0 && r.until-ms-1 < uint32(MaxBackoff/time.Millisecond)
}
