package textroom

import (
	"sync/atomic"
	"time"
)

// Bounds of histories, in bytes. A newcomer is sent all of a room's at once, so a data
// channel must be able to hold it.
const (
	maxRemembered = 512 << 10 // of a room
	maxStored     = 64 << 20  // of all rooms together, besides the guaranteed part
	sureStored    = 4 << 10   // of each room, whatever others remember
	storedWarning = time.Minute

	// textCost is the memory for a text on its way besides its bytes.
	textCost = 448
)

// sum bounds the memory of something in all rooms together, in bytes.
type sum struct {
	most int64 // fixed
	held atomic.Int64
}

// take is false if there is no room for n bytes.
func (s *sum) take(n int) bool {
	if s.held.Add(int64(n)) > s.most {
		s.give(n)
		return false
	}
	return true
}

// left is how many bytes there is room for.
func (s *sum) left() int { return int(s.most - s.held.Load()) }

func (s *sum) give(n int) { s.held.Add(int64(-n)) }

// history are the latest messages and announcements of a room.
type history struct {
	most   int // messages
	stored *sum
	sure   int      // bytes that do not count in stored
	texts  [][]byte // oldest first; none ever changes
	bytes  int
}

// add remembers a text; the oldest go where there is no room for it.
func (h *history) add(text []byte) (short bool) {
	if h.most == 0 {
		return false
	}
	n := len(text) + textCost
	for len(h.texts) == h.most || h.bytes+n > maxRemembered {
		h.forget()
	}
	for !h.stored.take(h.shared(h.bytes+n) - h.shared(h.bytes)) {
		short = true
		if len(h.texts) == 0 {
			return short
		}
		h.forget()
	}
	h.texts = append(h.texts, text)
	h.bytes += n
	return short
}

// shared is how much of some bytes counts in stored.
func (h *history) shared(bytes int) int { return max(bytes-h.sure, 0) }

// forget forgets the oldest text.
func (h *history) forget() {
	n := len(h.texts[0]) + textCost
	h.texts[0] = nil
	h.texts = h.texts[1:]
	h.stored.give(h.shared(h.bytes) - h.shared(h.bytes-n))
	h.bytes -= n
}

// clear forgets all.
func (h *history) clear() {
	for len(h.texts) > 0 {
		h.forget()
	}
	h.texts = nil
}
