package plain

import (
	"encoding/binary"
	"time"

	"bifrons/rtp/mono"
)

// tones finds the telephone events in the packets of a stream (RFC 4733, 2.5). Each is
// reported once, at its end: with the first packet that has the E bit, or, when those are
// lost, when another one begins or nothing came for a while.
type tones struct {
	tell func(digit byte, duration uint32)

	known    bool   // there was one
	run      uint32 // of the stream's numbers
	ts       uint32 // that it began with
	event    uint8
	open     bool   // not reported yet
	before   uint32 // duration of the segments before this one (2.5.1.3)
	duration uint32 // of this segment, in timestamp units
	at       mono.Time
}

const (
	// toneSilence is how long nothing comes of a tone that is over.
	toneSilence = mono.Time(500 * time.Millisecond)
	// longestTone is the longest duration that one segment can express.
	longestTone = 0xffff
	eventLen    = 4
)

const digits = "0123456789*#ABCD" // of the events 0 to 15 (RFC 4733, 3.2)

// hear takes one packet. run distinguishes the stream's numbers from those of an earlier one.
func (t *tones) hear(now mono.Time, run, ts uint32, payload []byte) {
	if len(payload) < eventLen || int(payload[0]) >= len(digits) {
		return
	}
	event, end, duration := payload[0], payload[1]&0x80 != 0, uint32(binary.BigEndian.Uint16(payload[2:]))
	switch later := int32(ts - t.ts); {
	case !t.known || run != t.run || later > 0:
		goesOn := t.open && run == t.run && event == t.event && t.duration == longestTone && later == longestTone
		if goesOn {
			t.before += longestTone
		} else {
			t.finish()
			t.before = 0
		}
		t.known, t.run, t.ts, t.event, t.open, t.duration = true, run, ts, event, true, 0
	case later < 0 || !t.open || event != t.event:
		return // late, or reported
	}
	t.at = now
	t.duration = max(t.duration, duration)
	if end {
		t.finish()
	}
}

// tick ends a tone of which nothing comes any more.
func (t *tones) tick(now mono.Time) {
	if t.open && now-t.at >= toneSilence {
		t.finish()
	}
}

func (t *tones) finish() {
	if t.open {
		t.open = false
		t.tell(digits[t.event], t.before+t.duration)
	}
}
