package nack

import (
	"time"

	"bifrons/rtp/mono"
)

const (
	// budgetTime is how much of a stream may be resent at once, as far as nothing
	// was for a while.
	budgetTime = 2 * time.Second
	// minBudget is how much may be resent of any stream, in bytes.
	minBudget = 32 << 10
)

// Budget bounds the retransmissions of a stream to one subscriber: as many bytes as
// are sent for the first time, and the bytes of the last two seconds at once. That is
// enough where every second packet is lost, and keeps NACKs from being a means to
// make a server send. The zero Budget is ready for use.
type Budget struct {
	credit int64 // bytes
	recent int64 // bytes of the stream, older ones for less
	at     mono.Time
}

// Sent notes n bytes that were sent for the first time.
func (b *Budget) Sent(now mono.Time, n int) {
	if b.at == 0 {
		b.credit = minBudget
	}
	if d := int64(now.Sub(b.at)); d > 0 {
		b.recent = b.recent * int64(budgetTime/time.Microsecond) / (int64(budgetTime/time.Microsecond) + d/int64(time.Microsecond))
		b.at = now
	}
	b.recent += int64(n)
	b.credit = min(b.credit+int64(n), max(b.recent, minBudget))
}

// Allows reports whether n bytes may be resent.
func (b *Budget) Allows(n int) bool { return b.credit >= int64(n) }

// Resent notes that n bytes were.
func (b *Budget) Resent(n int) { b.credit -= int64(n) }
